#include "audit/concentration.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace committee::audit {

double gini(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const auto n = static_cast<double>(sorted.size());
  double total = 0, weighted = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    total += sorted[i];
    weighted += (2 * static_cast<double>(i) + 1 - n) * sorted[i];
  }
  return total > 0 ? weighted / (n * total) : std::numeric_limits<double>::quiet_NaN();
}

std::vector<double> lorenz(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const double total = std::accumulate(sorted.begin(), sorted.end(), 0.0);
  if (!(total > 0)) return {};
  std::vector<double> curve{0};
  double sum = 0;
  for (double value : sorted) curve.push_back((sum += value) / total);
  return curve;
}

double expected_front(int64_t n) {
  double sum = 0;
  for (int64_t i = 1; i <= n; ++i) sum += 1 / static_cast<double>(i);
  return sum;
}

Load load_of(std::span<const double> slots) {
  constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  const double total = std::accumulate(slots.begin(), slots.end(), 0.0);
  if (!(total > 0)) return {kUndefined, kUndefined, kUndefined, kUndefined};
  double entropy = 0, most = 0;
  int unused = 0;
  for (double count : slots) {
    const double f = count / total;
    if (f > 0) entropy -= f * std::log(f);
    most = std::max(most, f);
    unused += count == 0;
  }
  const auto experts = static_cast<double>(slots.size());
  return {slots.size() > 1 ? entropy / std::log(experts) : kUndefined, std::exp(entropy), experts * most,
          static_cast<double>(unused)};
}

}  // namespace committee::audit
