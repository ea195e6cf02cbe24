#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "audit/observe.h"
#include "audit/resample_plan.h"

namespace committee::audit {

// Samples' vectors of a range of layers in float32, for resampling; observed figures do not use them.
struct LayerVectors {
  LayerRange range;
  Wanted held;
  std::vector<float> routing, executed, slots;  // [layers, N, E], empty where not held

  std::span<const float> of(VectorKind kind, int layer, int64_t samples, int experts) const;
};
LayerVectors load_vectors(const SampleReader& reader, Wanted wanted, LayerRange range, ThreadPool& pool);

// A matrix of N rows in column tiles of kernels::kTileWidth, the last one padded with zeros.
class TileMatrix {
 public:
  TileMatrix(int64_t rows, int columns);

  int tiles() const { return tiles_; }
  int width() const;  // columns with the padding
  float& at(int64_t row, int column);
  const float* tile(int index) const { return data_.data() + index * rows_ * stride(); }

  // Sums of rows by segment: lists [count, N] as ResamplePlan draws them → sums [count, segments, width()].
  std::vector<double> segment_sums(std::span<const int32_t> lists, int count, std::span<const int64_t> starts,
                                   ThreadPool& pool) const;

  // The same where a segment is the rows [starts[s], starts[s+1]) and times [count, N] says how often each
  // counts.
  std::vector<double> weighted_sums(std::span<const float> times, int count, std::span<const int64_t> starts,
                                    ThreadPool& pool) const;

 private:
  static int64_t stride();
  int64_t rows_;
  int tiles_;
  std::vector<float> data_;
};

// One layer, ready for replicates: row i is sample order[i] of the vectors.
struct LayerPack {
  int experts;
  TileMatrix contributions;  // the vectors of --eci
  // Unit vectors less their mean m, so that nearly parallel vectors keep their digits; column E is |u-m|².
  // Unusable where some vector is zero.
  TileMatrix geometry;
  bool has_geometry = true;
  std::vector<double> center;   // [E] m
  std::vector<float> centered;  // [N, E] u-m, by rows
  std::vector<float> offset;    // [N] |u-m|² + (u-m)·m
  TileMatrix slots;             // executed slots; column E is the routing entropy of the sample
  bool has_slots, has_entropy;

  LayerPack(const LayerVectors& vectors, int layer, const SampleReader& reader, Eci eci,
            std::span<const int32_t> order, ThreadPool& pool);

 private:
  void pack_geometry(std::span<const float> vectors, std::span<const int32_t> order, ThreadPool& pool);
};

}  // namespace committee::audit
