#pragma once

#include <span>
#include <vector>

#include "audit/layer_figures.h"
#include "audit/layer_vectors.h"
#include "audit/resample_plan.h"

namespace committee::audit {

// Some replicates of a plan over sorted samples (sort_samples): how often each counts under the bootstraps,
// lists under the others; the other one is empty.
struct Drawn {
  int count = 0;
  std::span<const float> times;    // [count, N]
  std::span<const int32_t> lists;  // [count, N]

  Drawn part(int first, int of, int64_t samples) const;
};

// The draws of a plan, kept if they fit a budget of bytes, else drawn again whenever asked for.
class Draws {
 public:
  Draws(ResamplePlan plan, int64_t budget, ThreadPool& pool);

  const ResamplePlan& plan() const { return plan_; }
  // Replicates [first, first + count); valid until the next call. count ≤ chunk().
  Drawn draw(int first, int count, ThreadPool& pool);
  int chunk() const { return chunk_; }

 private:
  void fill(int first, int count, ThreadPool& pool);

  ResamplePlan plan_;
  int chunk_;
  bool kept_;
  std::vector<float> times_;
  std::vector<int32_t> lists_;
};

// What one layer becomes in every replicate of a scheme. NaN: undefined.
struct ReplicateTable {
  int replicates = 0;
  std::vector<Scalars> scalars;                                  // [R]
  std::vector<float> contributions;                              // [T·E, R]
  std::vector<float> global, presence, avg_rank, rank_variance;  // [E, R]
  std::vector<float> pairs;                                      // [pairs, R]
  std::vector<float> silhouette;                                 // [T, R'], R' ≤ R
  int silhouettes = 0;                                           // R'
  std::vector<Committee> committees;                             // [R], bootstrap only

  static std::span<const float> row(const std::vector<float>& table, size_t index, int replicates) {
    return std::span(table).subspan(index * replicates, replicates);
  }
};

// The pack's rows and the grouping are sorted (sort_samples). `silhouettes`: how many of the replicates
// recompute them. `specific` as layer_figures takes it. Under the nested schemes only kR2Nested is computed.
struct ReplicateRequest {
  Rules rules;
  std::vector<int> specific;
  int silhouettes = 0;
};
ReplicateTable replicate(const LayerPack& pack, Draws& draws, const Grouping& grouping,
                         const ReplicateRequest& request, ThreadPool& pool);

}  // namespace committee::audit
