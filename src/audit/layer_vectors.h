#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "audit/observe.h"
#include "audit/tile_matrix.h"

namespace committee::audit {

// Samples' vectors of a range of layers in float32, for resampling; observed figures do not use them.
struct LayerVectors {
  LayerRange range;
  Wanted held;
  std::vector<float> routing, executed, slots;  // [layers, N, E], empty where not held

  std::span<const float> of(VectorKind kind, int layer, int64_t samples, int experts) const;
};
LayerVectors load_vectors(const SampleReader& reader, Wanted wanted, LayerRange range, ThreadPool& pool);

// Rounds a vector to 16-bit numbers times a scale, which it returns, and pairs them (pairs_of(E) of them, the
// last filled with 0). The norm of the numbers is 32,000 but for rounding, so that dot products of any two
// fit 32 bits.
float to_pairs(std::span<const double> vector, std::span<int32_t> out);
constexpr size_t pairs_of(size_t experts) { return (experts + 1) / 2; }

// One layer, ready for replicates: row i is sample order[i] of the vectors.
struct LayerPack {
  int experts;
  Eci eci;
  TileMatrix contributions;  // the vectors of --eci
  // Unit vectors less their mean m, so that nearly parallel vectors keep their digits. Unusable where some
  // vector is zero.
  TileMatrix geometry;
  bool has_geometry = false;
  std::vector<double> center;      // [E] m
  std::vector<float> centered;     // [N, E] u-m, by rows
  std::vector<float> offset;       // [N] |u-m|² + (u-m)·m
  std::vector<int32_t> pairs;      // [N, pairs_of(E)] centered, as to_pairs() rounds each row
  std::vector<float> pairs_scale;  // [N]
  double total_square = 0;         // Σ |u-m|²
  TileMatrix slots;                // executed slots
  TileMatrix extras;               // |u-m|², and the routing entropy of the sample
  bool has_slots = false, has_entropy = false;
  enum Extra : int { kSquare, kEntropy };

  LayerPack(const SampleReader& reader, Eci eci, std::span<const int32_t> order);

  // In the memory of the layer before: memory that is new costs more than what is written there.
  void load(const LayerVectors& vectors, int layer, ThreadPool& pool);

  // Contributions and, where has_slots, slots of some places alone, of what `vector_of` gives.
  using VectorOf = std::function<void(VectorKind kind, int32_t sample, std::span<float> vector)>;
  void load_rows(const VectorOf& vector_of, RowRange places);

 private:
  void pack_geometry(std::span<const float> vectors, ThreadPool& pool);

  const SampleReader& reader_;
  std::span<const int32_t> order_;
};

}  // namespace committee::audit
