#include "engine/experts.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <span>

#include "engine/feed_forward.h"
#include "engine/linear.h"
#include "engine/ops.h"

namespace committee::engine {
namespace {

constexpr int64_t kTileRows = kPackedRows;   // of one expert in one task, at most
constexpr int64_t kWaveBytes = 128LL << 20;  // of outputs that wait to be added

// Products run on a rounded number of rows, so that oneDNN, where it runs them, prepares few distinct shapes.
int64_t rounded(int64_t rows) {
  const int64_t unit = rows <= 16 ? 1 : rows <= 128 ? 4 : 8;
  return (rows + unit - 1) / unit * unit;
}

// Some of the rows that execute one expert.
struct Tile {
  size_t expert = 0;
  std::span<const int64_t> slots;  // of the selection: row · slots + slot
  int64_t place = 0;               // of its first output in the wave's buffer
};

// The slots by expert, ascending, cut into tiles of nearly equal size.
class Grouping {
 public:
  Grouping(const Selection& selection, size_t experts) {
    std::vector<size_t> begin(experts + 1);
    const int64_t count = selection.rows * selection.slots;
    for (int64_t s = 0; s < count; ++s) {
      if (selection.weights[s] != 0) ++begin[selection.ids[s] + size_t{1}];
    }
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    slots_.resize(begin.back());
    std::vector<size_t> next(begin.begin(), begin.end() - 1);
    for (int64_t s = 0; s < count; ++s) {
      if (selection.weights[s] != 0) slots_[next[selection.ids[s]]++] = s;
    }
    for (size_t e = 0; e < experts; ++e) cut(e, std::span(slots_).subspan(begin[e], begin[e + 1] - begin[e]));
  }

  std::vector<Tile>& tiles() { return tiles_; }

 private:
  void cut(size_t expert, std::span<const int64_t> slots) {
    const size_t parts = (slots.size() + kTileRows - 1) / kTileRows;
    for (size_t p = 0; p < parts; ++p) {
      const size_t first = slots.size() * p / parts, last = slots.size() * (p + 1) / parts;
      tiles_.push_back({expert, slots.subspan(first, last - first), 0});
    }
  }

  std::vector<int64_t> slots_;
  std::vector<Tile> tiles_;
};

// One expert's outputs for a tile's rows, into rows place... of `outputs`.
void run_tile(Worker& worker, const model::GatedFeedForward& weights, const Matrix& x, int slots,
              const Tile& tile, const Matrix& outputs) {
  const int64_t d = weights.gate.shape[1], width = weights.gate.shape[0];
  const int64_t rows = static_cast<int64_t>(tile.slots.size()), padded = rounded(rows);
  const size_t row_bytes = static_cast<size_t>(d) * size_of(x.type);
  const Matrix in{worker.input.reserve(static_cast<size_t>(padded) * row_bytes), x.type, d};
  for (int64_t r = 0; r < padded; ++r) {
    const int64_t from = tile.slots[static_cast<size_t>(std::min(r, rows - 1))] / slots;
    std::memcpy(in.at(r), x.at(from), row_bytes);
  }
  const Matrix gate{worker.middle.reserve_as<float>(padded * 2 * width), Compute::kF32, 2 * width};
  if (const model::Tensor both = fused_gate_up(weights)) {
    multiply(worker, in, padded, both, 0, 2 * width, gate, Output::kSet);
  } else {
    multiply(worker, in, padded, weights.gate, 0, width, gate, Output::kSet);
    multiply(worker, in, padded, weights.up, 0, width, {gate.at(0, width), gate.type, gate.stride},
             Output::kSet);
  }
  const Matrix inner{worker.output.reserve(static_cast<size_t>(padded * width) * size_of(x.type)), x.type,
                     width};
  for (int64_t r = 0; r < padded; ++r)
    silu_mul(gate.floats(r), gate.floats(r, width), width, inner.type, inner.at(r));
  multiply(worker, inner, padded, weights.down, 0, d, {outputs.at(tile.place), outputs.type, outputs.stride},
           Output::kSet);
}

// Where each slot's output lies in a wave, and the adding up once the wave is computed.
class Wave {
 public:
  Wave(const Selection& selection, int64_t d_model)
      : selection_(selection),
        place_(static_cast<size_t>(selection.rows * selection.slots), -1),
        d_(d_model) {}

  void place(std::span<Tile> tiles) {
    int64_t at = 0;
    for (Tile& tile : tiles) {
      tile.place = at;
      for (size_t i = 0; i < tile.slots.size(); ++i)
        place_[static_cast<size_t>(tile.slots[i])] = at + static_cast<int64_t>(i);
      at += rounded(static_cast<int64_t>(tile.slots.size()));
    }
  }

  // A row adds its experts in ascending order of id.
  void add(int64_t row, const Matrix& outputs, const Matrix& hidden) {
    std::vector<int64_t> order;
    for (int64_t s = row * selection_.slots; s < (row + 1) * selection_.slots; ++s) {
      if (place_[static_cast<size_t>(s)] >= 0) order.push_back(s);
    }
    std::sort(order.begin(), order.end(),
              [&](int64_t a, int64_t b) { return selection_.ids[a] < selection_.ids[b]; });
    for (const int64_t s : order) {
      int64_t& place = place_[static_cast<size_t>(s)];
      add_scaled(selection_.weights[s], outputs.floats(place), d_, hidden.floats(row));
      place = -1;
    }
  }

 private:
  const Selection& selection_;
  std::vector<int64_t> place_;  // [rows, slots], -1 outside the wave
  int64_t d_;
};

int64_t wave_rows(int64_t d_model, int threads) {
  const int64_t fitting = kWaveBytes / (d_model * static_cast<int64_t>(sizeof(float)));
  return std::max({fitting, kTileRows * 2 * threads, rounded(kTileRows)});
}

}  // namespace

void add_experts(Machine& machine, const std::vector<model::GatedFeedForward>& experts, const Matrix& x,
                 const Selection& selection, const Matrix& hidden, Bytes& buffer) {
  Grouping grouping(selection, experts.size());
  std::vector<Tile>& tiles = grouping.tiles();
  const int64_t d = hidden.stride, most = wave_rows(d, machine.pool.size());
  Wave wave(selection, d);
  for (size_t begin = 0, end = 0; begin < tiles.size(); begin = end) {
    int64_t rows = 0;
    for (; end < tiles.size(); ++end) {
      const int64_t more = rounded(static_cast<int64_t>(tiles[end].slots.size()));
      if (rows + more > most) break;
      rows += more;
    }
    const std::span<Tile> now = std::span(tiles).subspan(begin, end - begin);
    wave.place(now);
    // The largest first, so that the threads finish together.
    std::stable_sort(now.begin(), now.end(),
                     [](const Tile& a, const Tile& b) { return a.slots.size() > b.slots.size(); });
    const Matrix outputs{buffer.reserve_as<float>(rows * d), Compute::kF32, d};
    machine.pool.for_each(static_cast<int64_t>(now.size()), [&](int64_t i, int index) {
      const Tile& tile = now[static_cast<size_t>(i)];
      run_tile(machine.worker(index), experts[tile.expert], x, selection.slots, tile, outputs);
    });
    machine.pool.for_ranges(selection.rows, 32, [&](int64_t first, int64_t last, int) {
      for (int64_t row = first; row < last; ++row) wave.add(row, outputs, hidden);
    });
    machine.part_done();
  }
}

size_t expert_scratch(int64_t d_model, int64_t width, Compute compute, int threads) {
  const int64_t floats = wave_rows(d_model, threads) * d_model + threads * kTileRows * 2 * width;
  const int64_t values = threads * kTileRows * (d_model + width);
  return static_cast<size_t>(floats) * sizeof(float) + static_cast<size_t>(values) * size_of(compute);
}

}  // namespace committee::engine
