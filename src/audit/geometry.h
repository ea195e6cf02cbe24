#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace committee::audit {

// Everything here is about unit vectors û = v/|v| (cosine geometry): squared distance 2(1 - cos).

// PERMANOVA R² = SS_between / SS_total from sums of unit vectors: `sums` [G, E], one row a group, `counts`
// [G] their vectors. NaN for fewer than two groups, or where all vectors coincide.
double variance_explained(std::span<const double> sums, std::span<const int64_t> counts, int experts);

// `explained`: the part of the variance that groups explain inside their domain, (SS_within domains -
// SS_within groups) / SS_total. `chance`: its expected value when groups are drawn at random inside each
// domain, Σ_τ SS_within(τ)·(G_τ-1)/(N_τ-1) / SS_total. `domain_of` [G] names each group's domain, `domains`
// their number. NaN as above, or where no domain has two groups.
struct NestedVariance {
  double explained, chance;
};
NestedVariance nested_variance(std::span<const double> sums, std::span<const int64_t> counts,
                               std::span<const int> domain_of, int domains, int experts);

// The silhouette s_i of one sample of domain `own`, from the dot products û·S(τ) with every domain's sum of
// unit vectors [T], the sample among them (METHOD 3). 0 where it is alone in its domain. T ≥ 2.
double silhouette(std::span<const double> dots, std::span<const int64_t> counts, int own);

}  // namespace committee::audit
