#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "audit/layer_figures.h"
#include "audit/layer_vectors.h"
#include "audit/resample_plan.h"

namespace committee::audit {

// Some replicates of a plan over sorted samples (sort_samples): how often each counts under the bootstraps,
// which rows each segment has under the others. The first of them also as silhouettes take them, kLanes
// replicates side by side: how often each sample counts, or which segment it is in.
struct Drawn {
  int count = 0;
  std::span<const float> times;  // [count, N]
  const SegmentRows* rows = nullptr;
  int first = 0;                         // of the replicates of `rows`
  int in_lanes = 0;                      // how many of them
  std::span<const float> lane_times;     // [groups, N, kLanes]
  std::span<const int32_t> lane_labels;  // [groups, N, kLanes]
};

// The draws of a plan, kept if they fit a budget of bytes, else drawn again whenever asked for.
class Draws {
 public:
  // `in_lanes`: how many of the replicates are to be there for silhouettes.
  Draws(ResamplePlan plan, int in_lanes, int64_t budget, ThreadPool& pool);

  const ResamplePlan& plan() const { return plan_; }
  // Replicates [first, first + count), first a multiple of chunk(), count ≤ chunk(), or all where kept();
  // valid until the next call.
  Drawn draw(int first, int count, ThreadPool& pool);
  int chunk() const { return chunk_; }
  bool kept() const { return kept_; }
  // Rows that are best added together: a block begins at a multiple of them.
  int64_t block_rows() const { return SegmentRows::kChunksInFloats * chunk_rows_; }
  int in_lanes() const { return in_lanes_; }

 private:
  void fill(int first, int count, ThreadPool& pool);
  void fill_lanes(int count, std::span<const int32_t> lists, ThreadPool& pool);
  int lanes_of(int first, int count) const { return std::clamp(in_lanes_ - first, 0, count); }

  ResamplePlan plan_;
  int in_lanes_, chunk_;
  int64_t chunk_rows_;  // as SegmentRows takes it
  bool kept_;
  std::vector<float> times_, lane_times_;
  SegmentRows rows_;
  std::vector<int32_t> lane_labels_;
};

// Sums over a layer's rows in all replicates of a scheme.
struct ReplicateSums {
  std::vector<double> contributions, slots;  // [R, T, width()]; slots under the bootstrap only
};

// Adds some rows of a matrix to its sums [count, segments, width()] in replicates that were drawn.
void add_sums(const TileMatrix& matrix, const Drawn& drawn, const ResamplePlan& plan, RowRange rows,
              ThreadPool& pool, std::span<double> sums);

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

// The pack's rows and the grouping are sorted (sort_samples). Silhouettes are recomputed by the replicates
// that the draws have in lanes. `specific` as layer_figures takes it. Under the nested schemes only kR2Nested
// is computed.
struct ReplicateRequest {
  Rules rules;
  std::vector<int> specific;
  std::span<const RowRange> blocks;     // of rows, in which contributions and slots are summed
  const ReplicateSums* sums = nullptr;  // what that gives, where it was done before
};
ReplicateTable replicate(const LayerPack& pack, Draws& draws, const Grouping& grouping,
                         const ReplicateRequest& request, ThreadPool& pool);

}  // namespace committee::audit
