#include "audit/layer_vectors.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "audit/kernels.h"
#include "audit/replicate_kernels.h"

namespace committee::audit {
namespace {

constexpr int64_t kRowsAtOnce = 512;  // packed by one thread

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

float to_pairs(std::span<const double> vector, std::span<int32_t> out) {
  constexpr double kNorm = 32000;
  const double norm = std::sqrt(kernels::dot(vector, vector.data()));
  const double factor = norm > 0 ? kNorm / norm : 0;
  auto rounded = [&](size_t i) {
    return i < vector.size() ? static_cast<int16_t>(std::lrint(vector[i] * factor)) : int16_t{0};
  };
  for (size_t p = 0; p < out.size(); ++p) out[p] = kernels::pair_of(rounded(2 * p), rounded(2 * p + 1));
  return static_cast<float>(norm / kNorm);
}

LayerPack::LayerPack(const SampleReader& reader, Eci kind, std::span<const int32_t> order)
    : experts(reader.experts()),
      eci(kind),
      contributions(reader.size(), experts),
      geometry(reader.size(), experts),
      slots(reader.size(), experts),
      extras(reader.size(), 2),
      reader_(reader),
      order_(order) {}

void LayerPack::load(const LayerVectors& vectors, int layer, ThreadPool& pool) {
  has_slots = vectors.held.slots;
  has_entropy = vectors.held.routing && geometry_kind(reader_) == VectorKind::kRouting;
  const int64_t samples = reader_.size();
  const VectorOf vector_of = [&](VectorKind kind, int32_t sample, std::span<float> vector) {
    const auto all = vectors.of(kind, layer, samples, experts);
    std::copy_n(&all[sample * int64_t{experts}], experts, vector.begin());
  };
  const auto directions = vectors.of(geometry_kind(reader_), layer, samples, experts);
  pool.for_ranges(samples, kRowsAtOnce, [&](int64_t begin, int64_t end, int) {
    load_rows(vector_of, {begin, end});
    if (!has_entropy) return;
    std::vector<double> wide(experts);
    for (int64_t i = begin; i < end; ++i) {
      std::copy_n(&directions[order_[i] * int64_t{experts}], experts, wide.begin());
      extras.at(i, kEntropy) = static_cast<float>(kernels::entropy(wide));
    }
  });
  pack_geometry(directions, pool);
}

void LayerPack::load_rows(const VectorOf& vector_of, RowRange places) {
  std::vector<float> row(experts);
  for (int64_t i = places.begin; i < places.end; ++i) {
    vector_of(kind_of(eci), order_[i], row);
    const float scale = eci == Eci::kFrequency ? 1 / static_cast<float>(reader_.rows(order_[i])) : 1;
    for (float& x : row) x *= scale;
    contributions.set_row(i, row);
    if (!has_slots) continue;
    if (kind_of(eci) != VectorKind::kSlots || scale != 1) vector_of(VectorKind::kSlots, order_[i], row);
    slots.set_row(i, row);
  }
}

void LayerPack::pack_geometry(std::span<const float> vectors, ThreadPool& pool) {
  const auto samples = static_cast<int64_t>(order_.size());
  auto vector_of = [&](int64_t i) { return &vectors[order_[i] * int64_t{experts}]; };
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
  const size_t row_pairs = pairs_of(experts);
  pairs.resize(samples * row_pairs);
  pairs_scale.resize(samples);
  std::vector<double> squares(parts.size());
  pool.for_ranges(samples, kRowsAtOnce, [&](int64_t begin, int64_t end, int) {
    std::vector<double> row(experts);
    for (int64_t i = begin; i < end; ++i) {
      const float* vector = vector_of(i);
      double square = 0, along = 0;
      for (int e = 0; e < experts; ++e) {
        const double x = row[e] = vector[e] / norms[i] - center[e];
        square += x * x;
        along += x * center[e];
        centered[i * experts + e] = static_cast<float>(x);
      }
      geometry.set_row(i, std::span(centered).subspan(i * experts, experts));
      pairs_scale[i] = to_pairs(row, std::span(pairs).subspan(i * row_pairs, row_pairs));
      extras.at(i, kSquare) = static_cast<float>(square);
      squares[begin / kRowsAtOnce] += square;
      offset[i] = static_cast<float>(square + along);
    }
  });
  total_square = std::accumulate(squares.begin(), squares.end(), 0.0);
}

}  // namespace committee::audit
