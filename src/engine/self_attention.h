#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/attention.h"
#include "engine/buffer.h"
#include "engine/machine.h"
#include "engine/ops.h"
#include "model/weights.h"

namespace committee::engine {

// Tokens on their way through a layer.
struct TokenRows {
  int64_t rows = 0;
  Matrix hidden;                      // [rows, d] float32: the residual stream
  const int64_t* position = nullptr;  // [rows] of each in its sequence
};

// Keys and values of one layer in the machine's format; kKeySlack finite rows lie behind the last one. Latent
// attention (DeepSeek) has them two ways: expanded, keys and values of every head, which is fewer operations
// for many tokens; or `latent` rows [kv_rank + rope], from which k and v would be projected, far smaller to
// keep. Those that are null are neither written nor read.
struct KeyValues {
  HeadRows k, v;
  Matrix latent;
};

// hidden += Attention(RMSNorm(hidden)), in two steps so that queries can be fewer than keys.
class SelfAttention {
 public:
  SelfAttention(const model::ModelConfig& config, Machine& machine, const RopeTable& rope)
      : config_(config), machine_(machine), rope_(rope) {}

  // Computes keys and values of all rows into rows slot[r] of `into` (null: r). Throws NotFinite.
  void keys(const model::LayerWeights& layer, const TokenRows& tokens, const int64_t* slot,
            const KeyValues& into);

  // Queries, attention over expanded keys where there are any, else over latent ones, and the output
  // projection. Throws NotFinite.
  void add(const model::LayerWeights& layer, const TokenRows& tokens, std::span<const QuerySpan> spans,
           const KeyValues& from);

  // Bytes of scratch beside queries and contexts of all rows.
  size_t block_bytes() const;

 private:
  Matrix normed(const model::LayerWeights& layer, const TokenRows& tokens, int64_t first, int64_t rows);
  void plain_keys(const model::AttentionWeights& weights, const Matrix& x, const int64_t* position,
                  int64_t rows, int64_t first, const int64_t* slot, const KeyValues& into);
  void latent_keys(const model::AttentionWeights& weights, const Matrix& x, const int64_t* position,
                   int64_t rows, int64_t first, const int64_t* slot, const KeyValues& into);
  void finish_heads(float* row, int heads, const std::vector<float>& norm, int64_t position) const;
  void queries(const model::AttentionWeights& weights, const Matrix& x, const TokenRows& tokens,
               int64_t first, int64_t rows, const Matrix& into);
  void attend_latent(const model::AttentionWeights& weights, int64_t rows, std::span<const QuerySpan> spans,
                     const Matrix& q, const Matrix& keys, const Matrix& context);

  const model::ModelConfig& config_;
  Machine& machine_;
  const RopeTable& rope_;
  Bytes normed_, products_, low_, expanded_, q_, context_;
};

}  // namespace committee::engine
