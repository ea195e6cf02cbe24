#pragma once

#include <cstdint>
#include <vector>

#include "audit/concentration.h"
#include "audit/grouping.h"
#include "audit/sample_reader.h"
#include "base/thread_pool.h"

namespace committee::audit {

// What one layer's vectors give, in float64, exactly as METHOD defines it. NaN: undefined.
struct LayerObservation {
  std::vector<double> contributions;  // [T, E] c[i,τ]
  double routing_entropy;             // mean over samples of H(G)/ln E
  Load load;
  std::vector<double> silhouette;  // [T] S(τ)
  double r2, r2_nested;
  double r2_nested_floor;  // its expected value when the finer labels are shuffled inside each domain
  int executed;            // experts a token executes

  // Evidence for warnings.
  std::vector<double> slots;  // [E] executed slots
  double alignment;           // |Σ û|/N: 1 when all vectors point the same way
  double worst_sum;           // largest |Σ G - 1| of a sample
  double largest_ratio;       // largest max G / min G of a sample; infinite where a probability is 0
};

class VectorStore;

// Reads the trace once for sums, and for silhouettes either the store, which it fills, or the trace again.
// Memory: accumulators of T·L·E doubles and a few MB of samples in flight. The result does not depend on the
// number of threads, nor on the store. `meanwhile` as for_each_vector() takes it.
using Meanwhile = std::function<bool(int64_t done)>;
std::vector<LayerObservation> observe(const SampleReader& reader, const Grouping& grouping, Eci eci,
                                      ThreadPool& pool, VectorStore* store = nullptr,
                                      const Meanwhile& meanwhile = {});

// Calls visit(sample, layer, vectors) for all samples and layers, a layer's samples one after another in
// order, different layers at the same time. `vectors` point to that layer's [E]; those not wanted are
// nullptr. While the disk is waited for, calls meanwhile(done), the first `done` samples being visited, until
// that returns false.
struct Wanted {
  bool routing = false, executed = false, slots = false;
};
using Visit = std::function<void(int64_t sample, int layer, const SampleVectors& vectors)>;
void for_each_vector(const SampleReader& reader, Wanted wanted, LayerRange layers, ThreadPool& pool,
                     const Visit& visit, const Meanwhile& meanwhile = {});

// Where silhouettes and R² come from: G, or slots where the trace has ids only.
VectorKind geometry_kind(const SampleReader& reader);
VectorKind kind_of(Eci eci);
const double* pick(const SampleVectors& vectors, VectorKind kind);

}  // namespace committee::audit
