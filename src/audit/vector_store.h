#pragma once

#include <optional>
#include <vector>

#include "audit/layer_vectors.h"
#include "audit/observe.h"
#include "base/memory.h"

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

  // One sample's vector of a kind that is held.
  void read(VectorKind kind, int64_t sample, int layer, std::span<float> vector) const;

  // As load_vectors() of that layer, into what `vectors` holds of another.
  void read(int layer, LayerVectors& vectors, ThreadPool& pool) const;

 private:
  VectorStore(const SampleReader& reader, Wanted wanted);

  int64_t place(int64_t sample, int layer) const { return (layer * samples_ + sample) * experts_; }
  // An array of [L, N, E].
  template <typename T>
  static T* all(const Bytes& array) {
    return reinterpret_cast<T*>(array.data());
  }

  int64_t samples_, experts_;
  int layers_;
  VectorKind geometry_;
  Wanted held_;
  // Means of several rows need more than float32 for silhouettes; a single row is exact in it, and so are
  // counts.
  Bytes wide_routing_;                // of double
  Bytes routing_, executed_, slots_;  // of float
};

}  // namespace committee::audit
