#pragma once

#include <optional>
#include <vector>

#include "audit/layer_vectors.h"
#include "audit/observe.h"

namespace committee::audit {

// All samples' vectors of every layer, kept from the first reading of a trace so that it is read once only.
class VectorStore {
 public:
  // Nothing where the vectors need more than `budget` bytes.
  static std::optional<VectorStore> within(int64_t budget, const SampleReader& reader, Wanted wanted);

  // Thread-safe for distinct layers. Of `vectors`, those that are kept must be there.
  void put(int64_t sample, int layer, const SampleVectors& vectors);

  // As for_each_vector() for all layers, with the same values of what silhouettes are computed on; no others.
  void for_each(ThreadPool& pool, const Visit& visit) const;

  // As load_vectors().
  LayerVectors layer(int layer) const;

 private:
  VectorStore(const SampleReader& reader, Wanted wanted);

  int64_t place(int64_t sample, int layer) const { return (layer * samples_ + sample) * experts_; }

  int64_t samples_, experts_;
  int layers_;
  VectorKind geometry_;
  Wanted held_;
  // [L, N, E]. Means of several rows need more than float32 for silhouettes; a single row is exact in it, and
  // so are counts.
  std::vector<double> wide_routing_;
  std::vector<float> routing_, executed_, slots_;
};

}  // namespace committee::audit
