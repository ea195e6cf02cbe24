#pragma once

#include <span>
#include <vector>

#include "audit/replicates.h"

namespace committee::audit {

// Silhouettes of replicates (bootstrap or permutation). A sample drawn several times is no neighbour of
// itself: its copies are left out of its own domain's mean distance.
//
// A mean distance takes the product of a sample's centred vector with a domain's centred sum. What the sum
// has in common with the observed one is multiplied once, in float64; the rest, which is small beside the
// sample's own distances, replicate for replicate in 16 bits (layer_vectors.h), exactly but for the rounding
// of both vectors. That moves a distance by 1e-5/√n of itself or so, n samples a domain; a mean of n, by
// less.
class SilhouetteReplicates {
 public:
  SilhouetteReplicates(const LayerPack& pack, const ResamplePlan& plan, const Grouping& grouping,
                       ThreadPool& pool);

  // Means [in_lanes, T] of the first of the drawn replicates, whose geometry sums are [count, T, width].
  std::vector<double> means(const Drawn& drawn, std::span<const double> geometry, ThreadPool& pool) const;

 private:
  struct Group;
  void set_observed(ThreadPool& pool);
  void set_lane(Group& group, size_t lane, std::span<const double> sums) const;
  std::vector<double> block_sums(const Group& group, int64_t index, const Drawn& drawn, int64_t first,
                                 std::vector<int32_t>& products) const;

  const LayerPack& pack_;
  const ResamplePlan& plan_;
  const Grouping& grouping_;
  size_t domains_, experts_;
  std::vector<float> counts_;
  std::vector<double> observed_;  // [T, E] observed centred sums under the bootstrap, else zeros
  std::vector<float> near_;       // [T, N] offset less the part of the observed sum; [N] where that is none
};

}  // namespace committee::audit
