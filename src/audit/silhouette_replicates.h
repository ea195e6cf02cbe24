#pragma once

#include <span>
#include <vector>

#include "audit/replicates.h"

namespace committee::audit {

// Mean silhouettes [count, T] of the drawn replicates from them and their geometry sums [count, T, width]
// (bootstrap or permutation). A sample drawn several times is no neighbour of itself: its copies are left out
// of its own domain's mean distance.
std::vector<double> replicate_silhouettes(const LayerPack& pack, const ResamplePlan& plan,
                                          const Grouping& grouping, const Drawn& drawn,
                                          std::span<const double> geometry, ThreadPool& pool);

}  // namespace committee::audit
