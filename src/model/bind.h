#pragma once

#include <cstddef>
#include <vector>

#include "model/checkpoint.h"
#include "model/config.h"
#include "model/families/family.h"
#include "model/weights.h"

namespace committee::model {

// Consecutive bytes of one file of a checkpoint.
struct FileRange {
  size_t file = 0, offset = 0, bytes = 0;
};

struct BoundWeights {
  ModelWeights weights;
  std::vector<std::vector<FileRange>> layers;  // the bytes of each layer, by place, neighbours joined
};

// Finds every tensor that the config asks for by its role, whatever its spelling: with `model.` in front or
// not; gate and up apart, fused in an expert (gate_up_proj [2·width, d]) or for all experts in one
// (experts.gate_up_proj [experts, 2·width, d] and experts.down_proj [experts, d, width]), which are then
// split as views. Throws Error naming the tensor where one is missing, has another shape or a dtype other
// than F32, BF16 and F16, or where the transformer has a tensor that the config has no place for (it would
// change the result). Tolerated: rotary tables, layers for multi-token prediction that the config declares,
// lm_head where tied, and anything outside the transformer.
BoundWeights bind_weights(const ModelConfig& config, const TensorNames& names, const Checkpoint& checkpoint);

}  // namespace committee::model
