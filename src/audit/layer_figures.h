#pragma once

#include <array>
#include <span>
#include <vector>

#include "audit/committee.h"
#include "audit/options.h"

namespace committee::audit {

// Every figure that is one number a layer. NaN: undefined.
enum Scalar : int {
  kSize,
  kCoreSize,
  kAvgRank,
  kRankVariance,
  kCoverageFull,
  kCoverageTopk,
  kRatioFull,
  kRatioTopk,
  kExcessTopk,
  kJaccardMean,
  kJaccardMin,
  kJaccardMax,
  kGiniFull,
  kGiniTopk,
  kUsedExperts,
  kRoutingEntropy,
  kLoadEntropy,
  kEffectiveExperts,
  kMaxOverMean,
  kUnused,
  kR2,
  kR2Nested,
  kScalars
};
using Scalars = std::array<double, kScalars>;

// The rule that makes committees of contributions (METHOD 4).
struct Rules {
  int experts = 0, k = 0;
  double gamma = 0.8;
  Fallback fallback = Fallback::kNone;
};

// What follows from one layer's contributions alone (METHOD 4 to 6).
struct LayerFigures {
  Scalars scalars;  // entries that contributions do not decide are NaN
  Committee committee;
  std::vector<int> top;             // [T, k] every domain's top k, largest first
  std::vector<RankTally> tallies;   // [E] over the specific domains
  std::vector<double> global;       // [E] c̄ over all domains
  std::vector<double> global_topk;  // [E] mean over all domains of t[i,τ]
  std::vector<double> pairs;        // Jaccard of the domains' top-k sets, as jaccard_pairs orders them
};

// contributions [T, E]. `specific`: the domains, ascending, that make the committee, its ranks, coverage and
// ratios; sharing and concentration take all of them.
LayerFigures layer_figures(std::span<const double> contributions, const Rules& rules,
                           std::span<const int> specific);

}  // namespace committee::audit
