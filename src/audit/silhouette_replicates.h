#pragma once

#include <span>
#include <vector>

#include "audit/layer_vectors.h"
#include "audit/resample_plan.h"

namespace committee::audit {

// Mean silhouettes [count, T] of `count` replicates from their lists [count, N] and geometry sums [count, T,
// width] (bootstrap or permutation). A sample drawn several times is no neighbour of itself: its copies are
// left out of its own domain's mean distance.
std::vector<double> replicate_silhouettes(const LayerPack& pack, const ResamplePlan& plan,
                                          const Grouping& grouping, std::span<const int32_t> lists,
                                          std::span<const double> geometry, int count, ThreadPool& pool);

}  // namespace committee::audit
