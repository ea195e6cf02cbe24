#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace committee::audit {

// Gini coefficient Σ_ij |x_i - x_j| / (2 n Σ x) of non-negative values; NaN where they sum to 0 (METHOD 6).
double gini(std::span<const double> values);

// Lorenz curve: the share of the whole held by the i poorest, i = 0..n, from 0 to 1. Empty where the sum is
// 0.
std::vector<double> lorenz(std::span<const double> values);

// H_n = Σ 1/i, the expected Pareto front of n random points in two dimensions; 0 for n = 0.
double expected_front(int64_t n);

// The load figures of METHOD 6 that follow from the slots each expert executed; NaN where there are none.
struct Load {
  double load_entropy, effective_experts, max_over_mean, unused;
};
Load load_of(std::span<const double> slots);

}  // namespace committee::audit
