#pragma once

#include <cstdint>

#include "engine/buffer.h"
#include "engine/machine.h"
#include "model/weights.h"

namespace committee::engine {

// Gate and up as one weight [2·width, d] where one follows the other in memory, else nothing.
model::Tensor fused_gate_up(const model::GatedFeedForward& weights);

// hidden += down(silu(gate(x)) · up(x)), each row times row_scale[r] where that is not null. x [rows, d] is
// in the machine's format, hidden [rows, d] float32; `middle` is scratch.
void add_feed_forward(Machine& machine, const model::GatedFeedForward& weights, const Matrix& x, int64_t rows,
                      const float* row_scale, const Matrix& hidden, Bytes& middle);

}  // namespace committee::engine
