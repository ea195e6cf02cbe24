#pragma once

#include <optional>
#include <span>
#include <vector>

namespace committee::roles {

// Two-sided p-value of a statistic whose first three central moments under the null are known: twice the
// smaller tail of Pearson's type III curve (a shifted gamma) with these moments, as in permutation tests
// whose moments are exact (Mielke and Berry). Outside the curve's support, Cantelli's bound 1/(1+z²). Nothing
// where the variance is 0. Never 0.
std::optional<double> moment_p_value(double deviation, double variance, double third_moment);

// Regularised upper incomplete gamma function Q(a, x), a > 0, x ≥ 0.
double upper_gamma(double a, double x);

// Benjamini-Hochberg q-values of p-values, in their order; undefined ones stay so and do not count.
std::vector<std::optional<double>> q_values(std::span<const std::optional<double>> p_values);

// Two-sided sign-flip test of the mean of independent differences, their signs exchangeable under the null:
// all 2^n where n ≤ 16, else 10,000 drawn by `seed`, (r+1)/(R+1). Nothing for no differences.
std::optional<double> sign_flip_p_value(std::span<const double> differences, unsigned long long seed);

}  // namespace committee::roles
