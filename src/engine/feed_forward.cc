#include "engine/feed_forward.h"

#include <algorithm>

#include "engine/linear.h"
#include "engine/ops.h"

namespace committee::engine {
namespace {

constexpr int64_t kRowBlock = 1024;  // whose activations are held at a time
constexpr int64_t kRowTile = 256;
constexpr int64_t kColumnTile = 512;

int64_t tiles(int64_t n, int64_t tile) { return (n + tile - 1) / tile; }

// silu(gate(x)) · up(x) into `middle` [rows, width].
void gate_and_up(Machine& machine, const model::GatedFeedForward& weights, const Matrix& x, int64_t rows,
                 const float* row_scale, const Matrix& middle) {
  const int64_t width = weights.gate.shape[0];
  const int64_t row_tiles = tiles(rows, kRowTile);
  machine.pool.for_each(row_tiles * tiles(width, kColumnTile), [&](int64_t task, int index) {
    const int64_t row = task % row_tiles * kRowTile, column = task / row_tiles * kColumnTile;
    const int64_t count = std::min(kRowTile, rows - row), columns = std::min(kColumnTile, width - column);
    Worker& worker = machine.worker(index);
    const Matrix from{x.at(row), x.type, x.stride};
    const Matrix gate{worker.middle.reserve_as<float>(count * 2 * columns), Compute::kF32, 2 * columns};
    const Matrix up{gate.at(0, columns), Compute::kF32, gate.stride};
    multiply(worker, from, count, weights.gate, column, column + columns, gate, Output::kSet);
    multiply(worker, from, count, weights.up, column, column + columns, up, Output::kSet);
    for (int64_t r = 0; r < count; ++r) {
      if (row_scale) scale(row_scale[row + r], columns, up.floats(r));
      silu_mul(gate.floats(r), up.floats(r), columns, middle.type, middle.at(row + r, column));
    }
  });
}

}  // namespace

model::Tensor fused_gate_up(const model::GatedFeedForward& weights) {
  const model::Tensor &gate = weights.gate, &up = weights.up;
  if (gate.data + gate.bytes != up.data || gate.dtype != up.dtype) return {};
  model::Tensor both = gate;
  both.shape[0] *= 2;
  both.bytes *= 2;
  return both;
}

void add_feed_forward(Machine& machine, const model::GatedFeedForward& weights, const Matrix& x, int64_t rows,
                      const float* row_scale, const Matrix& hidden, Bytes& middle) {
  const int64_t width = weights.gate.shape[0];
  for (int64_t row = 0; row < rows; row += kRowBlock) {
    const int64_t count = std::min(kRowBlock, rows - row);
    const Matrix products{middle.reserve(static_cast<size_t>(count * width) * size_of(x.type)), x.type,
                          width};
    const float* scales = row_scale ? row_scale + row : nullptr;
    gate_and_up(machine, weights, {x.at(row), x.type, x.stride}, count, scales, products);
    project(machine, products, count, weights.down, {hidden.at(row), hidden.type, hidden.stride},
            Output::kAdd);
    machine.part_done();
  }
}

}  // namespace committee::engine
