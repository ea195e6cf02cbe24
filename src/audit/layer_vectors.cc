#include "audit/layer_vectors.h"

#include <algorithm>
#include <cmath>

#include "audit/kernels.h"

namespace committee::audit {
namespace {

constexpr int64_t kRowsAtOnce = 512;   // packed by one thread
constexpr int kReplicatesAtOnce = 24;  // of one tile, while it is in the cache

}  // namespace

std::span<const float> LayerVectors::of(VectorKind kind, int layer, int64_t samples, int experts) const {
  const auto& all = kind == VectorKind::kRouting ? routing : kind == VectorKind::kExecuted ? executed : slots;
  const int64_t size = samples * experts;
  return std::span(all).subspan((layer - range.first) * size, size);
}

LayerVectors load_vectors(const SampleReader& reader, Wanted wanted, LayerRange range, ThreadPool& pool) {
  const int64_t experts = reader.experts(), samples = reader.size();
  LayerVectors vectors{range, wanted, {}, {}, {}};
  const int64_t size = range.count * samples * experts;
  if (wanted.routing) vectors.routing.resize(size);
  if (wanted.executed) vectors.executed.resize(size);
  if (wanted.slots) vectors.slots.resize(size);
  for_each_vector(reader, wanted, range, pool, [&](int64_t sample, int layer, const SampleVectors& v) {
    const int64_t at = (layer * samples + sample) * experts;
    for (auto [from, to] : {std::pair{v.routing, &vectors.routing}, std::pair{v.executed, &vectors.executed},
                            std::pair{v.slots, &vectors.slots}}) {
      if (from == nullptr) continue;
      std::transform(from, from + experts, to->begin() + at, [](double x) { return static_cast<float>(x); });
    }
  });
  return vectors;
}

TileMatrix::TileMatrix(int64_t rows, int columns)
    : rows_(rows),
      tiles_(static_cast<int>((columns + stride() - 1) / stride())),
      data_(rows * tiles_ * stride()) {}

int64_t TileMatrix::stride() { return static_cast<int64_t>(kernels::kTileWidth); }
int TileMatrix::width() const { return static_cast<int>(tiles_ * stride()); }

float& TileMatrix::at(int64_t row, int column) {
  return data_[(column / stride() * rows_ + row) * stride() + column % stride()];
}

namespace {

// Where each replicate's segments cross from one chunk of rows to the next: [count, segments, chunks + 1]
// places in the replicate's list.
std::vector<int32_t> chunk_bounds(std::span<const int32_t> lists, int count, std::span<const int64_t> starts,
                                  int64_t chunk_rows, int64_t chunks, ThreadPool& pool) {
  const int64_t segments = static_cast<int64_t>(starts.size()) - 1, rows = starts.back();
  std::vector<int32_t> bounds(count * segments * (chunks + 1));
  pool.for_each(count, [&](int64_t r, int) {
    const int32_t* list = &lists[r * rows];
    for (int64_t s = 0; s < segments; ++s) {
      int32_t* bound = &bounds[(r * segments + s) * (chunks + 1)];
      auto at = static_cast<int32_t>(starts[s]);
      for (int64_t c = 0; c <= chunks; ++c) {
        while (at < starts[s + 1] && list[at] < c * chunk_rows) ++at;
        bound[c] = at;
      }
    }
  });
  return bounds;
}

}  // namespace

std::vector<double> TileMatrix::segment_sums(std::span<const int32_t> lists, int count,
                                             std::span<const int64_t> starts, ThreadPool& pool) const {
  const int64_t segments = static_cast<int64_t>(starts.size()) - 1;
  const int64_t blocks = (count + kReplicatesAtOnce - 1) / kReplicatesAtOnce;
  // A chunk of a tile stays in the nearest cache while several replicates pick their rows of it; with many
  // segments it is larger, so that each still has some dozens of rows there.
  const int64_t chunk_rows = std::clamp<int64_t>(segments * 64, 512, 4096);
  const int64_t chunks = (rows_ + chunk_rows - 1) / chunk_rows;
  const auto bounds = chunk_bounds(lists, count, starts, chunk_rows, chunks, pool);
  std::vector<double> sums(count * segments * width());
  pool.for_each(tiles_ * blocks, [&](int64_t item, int) {
    const int64_t t = item / blocks, first = item % blocks * kReplicatesAtOnce;
    const int64_t last = std::min<int64_t>(count, first + kReplicatesAtOnce);
    for (int64_t c = 0; c < chunks; ++c) {
      for (int64_t r = first; r < last; ++r) {
        const auto list = lists.subspan(r * rows_, rows_);
        for (int64_t s = 0; s < segments; ++s) {
          const int32_t* bound = &bounds[(r * segments + s) * (chunks + 1) + c];
          if (bound[0] == bound[1]) continue;
          kernels::add_rows(tile(static_cast<int>(t)), list.subspan(bound[0], bound[1] - bound[0]),
                            &sums[(r * segments + s) * width() + t * stride()]);
        }
      }
    }
  });
  return sums;
}

std::vector<double> TileMatrix::weighted_sums(std::span<const float> times, int count,
                                              std::span<const int64_t> starts, ThreadPool& pool) const {
  const int64_t segments = static_cast<int64_t>(starts.size()) - 1;
  std::vector<double> sums(count * segments * width());
  const int64_t blocks = (count + kReplicatesAtOnce - 1) / kReplicatesAtOnce;
  pool.for_each(tiles_ * blocks, [&](int64_t item, int) {
    const int64_t t = item / blocks, replicate = item % blocks * kReplicatesAtOnce;
    const int64_t replicates = std::min<int64_t>(kReplicatesAtOnce, count - replicate);
    for (int64_t s = 0; s < segments; ++s) {
      double* out = &sums[(replicate * segments + s) * width() + t * stride()];
      for (int64_t first = starts[s]; first < starts[s + 1]; first += kernels::kMostRows) {
        const int64_t rows = std::min<int64_t>(kernels::kMostRows, starts[s + 1] - first);
        kernels::add_weighted_rows(tile(static_cast<int>(t)) + first * stride(), rows,
                                   &times[replicate * rows_ + first], rows_, replicates, out,
                                   segments * width());
      }
    }
  });
  return sums;
}

LayerPack::LayerPack(const LayerVectors& vectors, int layer, const SampleReader& reader, Eci eci,
                     std::span<const int32_t> order, ThreadPool& pool)
    : experts(reader.experts()),
      contributions(reader.size(), experts),
      geometry(reader.size(), experts + 1),
      slots(reader.size(), experts + 1),
      has_slots(vectors.held.slots),
      has_entropy(vectors.held.routing && geometry_kind(reader) == VectorKind::kRouting) {
  const int64_t samples = reader.size();
  const auto source = vectors.of(kind_of(eci), layer, samples, experts);
  const auto directions = vectors.of(geometry_kind(reader), layer, samples, experts);
  pool.for_ranges(samples, kRowsAtOnce, [&](int64_t begin, int64_t end, int) {
    std::vector<double> wide(experts);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = order[i] * int64_t{experts};
      const float scale = eci == Eci::kFrequency ? 1 / static_cast<float>(reader.rows(order[i])) : 1;
      for (int e = 0; e < experts; ++e) contributions.at(i, e) = source[at + e] * scale;
      if (has_slots) {
        const auto counts = vectors.of(VectorKind::kSlots, layer, samples, experts);
        for (int e = 0; e < experts; ++e) slots.at(i, e) = counts[at + e];
      }
      if (has_entropy) {
        std::copy_n(&directions[at], experts, wide.begin());
        slots.at(i, experts) = static_cast<float>(kernels::entropy(wide));
      }
    }
  });
  pack_geometry(directions, order, pool);
}

void LayerPack::pack_geometry(std::span<const float> vectors, std::span<const int32_t> order,
                              ThreadPool& pool) {
  const auto samples = static_cast<int64_t>(order.size());
  auto vector_of = [&](int64_t i) { return &vectors[order[i] * int64_t{experts}]; };
  std::vector<double> norms(samples);
  // Parts of the mean, added in their order so that threads change nothing.
  std::vector<std::vector<double>> parts((samples + kRowsAtOnce - 1) / kRowsAtOnce);
  pool.for_ranges(samples, kRowsAtOnce, [&](int64_t begin, int64_t end, int) {
    std::vector<double>& part = parts[begin / kRowsAtOnce];
    part.resize(experts);
    for (int64_t i = begin; i < end; ++i) {
      const float* vector = vector_of(i);
      double square = 0;
      for (int e = 0; e < experts; ++e) square += static_cast<double>(vector[e]) * vector[e];
      norms[i] = std::sqrt(square);
      for (int e = 0; e < experts && square > 0; ++e) part[e] += vector[e] / norms[i];
    }
  });
  has_geometry = std::all_of(norms.begin(), norms.end(), [](double norm) { return norm > 0; });
  if (!has_geometry) return;
  center.assign(experts, 0.0);
  for (const auto& part : parts) kernels::add_scaled(part, 1, center.data());
  for (double& m : center) m /= static_cast<double>(samples);
  centered.resize(vectors.size());
  offset.resize(samples);
  pool.for_ranges(samples, kRowsAtOnce, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const float* vector = vector_of(i);
      double square = 0, along = 0;
      for (int e = 0; e < experts; ++e) {
        const double x = vector[e] / norms[i] - center[e];
        square += x * x;
        along += x * center[e];
        centered[i * experts + e] = geometry.at(i, e) = static_cast<float>(x);
      }
      geometry.at(i, experts) = static_cast<float>(square);
      offset[i] = static_cast<float>(square + along);
    }
  });
}

}  // namespace committee::audit
