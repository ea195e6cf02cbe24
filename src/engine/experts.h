#pragma once

#include <cstdint>
#include <vector>

#include "engine/buffer.h"
#include "engine/machine.h"
#include "model/weights.h"

namespace committee::engine {

// The executed experts of some rows: `slots` ids and weights a row. A slot of weight 0 is not executed.
struct Selection {
  int64_t rows = 0;
  int slots = 0;
  const uint16_t* ids = nullptr;
  const float* weights = nullptr;
};

// hidden[r] += Σ_slots weight · Expert_id(x[r]). Every expert is whole products over all its rows: gathered,
// gate and up, SwiGLU, down. Each row adds its experts in ascending order of id, so that sums do not depend
// on how the work was split. x [rows, d] is in the machine's format, hidden [rows, d] float32.
void add_experts(Machine& machine, const std::vector<model::GatedFeedForward>& experts, const Matrix& x,
                 const Selection& selection, const Matrix& hidden, Bytes& outputs);

// Bytes that `outputs` and every worker's scratch take at most, for experts of this size.
size_t expert_scratch(int64_t d_model, int64_t width, Compute compute, int threads);

}  // namespace committee::engine
