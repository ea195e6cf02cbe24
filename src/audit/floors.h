#pragma once

#include "audit/grouping.h"
#include "audit/layer_figures.h"
#include "audit/observe.h"
#include "audit/result.h"

namespace committee::audit {

// Adds what arithmetic or chance alone gives (METHOD 9) to the figures of a layer whose values stand. Where
// chance is meant, it is that of random k-sets and random ranks in every domain. Figures for which neither
// has a closed form (silhouettes) get none.
void add_floors(LayerResult& layer, const LayerObservation& observed, const Rules& rules,
                const Grouping& grouping);

// Probability that a random k-set of E holds an expert in at least `needed` of T independent domains.
double chance_of_candidate(const Rules& rules, int64_t domains);

// Mean and variance of the rank, k+1 outside the top k, of an expert ranked at random among E.
struct ChanceRank {
  double mean = 0, variance = 0;
};
ChanceRank chance_rank(const Rules& rules);

}  // namespace committee::audit
