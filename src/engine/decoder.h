#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/layer_stream.h"
#include "engine/machine.h"
#include "engine/moe.h"
#include "engine/self_attention.h"
#include "model/weights.h"

namespace committee::engine {

// A model and the memory its layers compute in, the same for every chunk.
struct Decoder {
  Decoder(const model::Model& checkpoint, Compute compute, int threads);

  // Makes rotations for sequences of so many tokens.
  void set_positions(int64_t count);
  // hidden[r] = embedding of tokens[r].
  void embed(std::span<const int32_t> tokens, const Matrix& hidden);
  // Calls `take(row, logits)` for the given rows, in that order, from the caller's thread. Throws NotFinite.
  void logits(const Matrix& hidden, std::span<const int64_t> rows,
              const std::function<void(int64_t row, std::span<const float> logits)>& take);
  // The name of a tensor with NaN or Inf among the embedding and layers 0 to `layer` (all of the model past
  // the last one), or "".
  std::string broken_tensor(int layer);

  const model::ModelConfig& config() const { return model.config(); }

  const model::Model& model;
  Machine machine;
  LayerStream layers;
  RopeTable rope;
  int64_t positions = 0;
  int first_layer = 0, end_layer = 0;  // those that are read here
  SelfAttention attention;
  FeedForward feed_forward;
  Bytes hidden, keys, values;
};

// Throws Error naming the first small tensor (norms, biases) that holds NaN or Inf.
void check_small_tensors(const model::Model& model);

}  // namespace committee::engine
