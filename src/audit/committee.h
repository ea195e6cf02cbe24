#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "audit/options.h"

namespace committee::audit {

// The ids of the k largest of `values`, largest first, ties lower id first. `out` has k entries, k ≤ E.
void top_k(std::span<const double> values, std::span<int> out);

// The top k of every domain: contributions [T, E] → ids [T, k].
std::vector<int> top_k_of_domains(std::span<const double> contributions, int experts, int k);

// Ranks R(i,τ) [T, E] from the ids [T, k]: 1-based, k+1 outside the top k.
std::vector<int> ranks_of(std::span<const int> top, int experts, int k);

// Over the domains: how often an expert is in the top k, the sum of its ranks and of their squares (k+1 where
// it is not). Exact integers, so that μ and σ² compare exactly.
struct RankTally {
  int64_t present = 0, sum = 0, squares = 0;

  double mean(int64_t domains) const { return static_cast<double>(sum) / static_cast<double>(domains); }
  int64_t scaled_variance(int64_t domains) const { return domains * squares - sum * sum; }  // T²·σ²
  double variance(int64_t domains) const {
    return static_cast<double>(scaled_variance(domains)) / static_cast<double>(domains * domains);
  }
};
std::vector<RankTally> tally_ranks(std::span<const int> top, int experts, int k);

// The least number of domains that makes a candidate: ceil(γ·T - 1e-9).
int64_t presence_needed(double gamma, int64_t domains);

// METHOD 4, Stage III: the candidates and those of them that are Pareto-optimal in (μ, σ²).
struct Committee {
  std::vector<int> members;  // by μ ascending, ties by id
  std::vector<int> core;     // every candidate, ascending
  bool by_fallback = false;
};
Committee find_committee(std::span<const RankTally> tallies, int64_t domains, double gamma,
                         Fallback fallback);

// Σ over `members` against the rest of `values` [E]: coverage 0 for no members; the ratio of the mean inside
// to the mean outside is NaN where there are no members or nothing is outside. NaN for both where all is
// zero.
struct Share {
  double coverage = 0, ratio = 0;
};
Share share_of(std::span<const int> members, std::span<const double> values);

}  // namespace committee::audit
