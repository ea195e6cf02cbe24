#include "audit/percentile.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace committee::audit {
namespace {

constexpr double kLow = 0.025, kHigh = 0.975;
constexpr double kSame = 1e-6;

std::vector<float> defined_values(std::span<const float> replicates) {
  std::vector<float> values;
  values.reserve(replicates.size());
  std::copy_if(replicates.begin(), replicates.end(), std::back_inserter(values),
               [](float x) { return !std::isnan(x); });
  return values;
}

}  // namespace

double quantile(std::span<float> values, double q) {
  const auto n = static_cast<double>(values.size());
  const double at = std::clamp(q * (n + 1), 1.0, n) - 1;
  const auto below = static_cast<size_t>(at), above = std::min(below + 1, values.size() - 1);
  // Few values are beyond the quantiles asked for: a heap of these, from the nearer end, passes over the
  // rest.
  if (2 * below < values.size()) {
    std::partial_sort(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(above) + 1, values.end());
  } else {
    std::partial_sort(values.rbegin(), values.rend() - static_cast<std::ptrdiff_t>(below), values.rend(),
                      std::greater<>());
  }
  const double low = values[below], high = values[above];
  return low + (at - static_cast<double>(below)) * (high - low);
}

std::optional<Interval> interval_of(std::span<const float> replicates) {
  auto values = defined_values(replicates);
  if (values.size() * 2 <= replicates.size()) return std::nullopt;
  const double low = quantile(values, kLow);
  return Interval{low, quantile(values, kHigh)};
}

std::optional<Permuted> permuted_of(std::optional<double> value, std::span<const float> replicates, Tail tail,
                                    double rounding) {
  auto values = defined_values(replicates);
  if (!value || values.size() * 2 <= replicates.size()) return std::nullopt;
  const double margin = std::max(kSame * std::max(std::abs(*value), 1e-9), rounding);
  double sum = 0;
  int64_t at_least = 0, at_most = 0;
  for (const float x : values) {
    sum += x;
    at_least += x >= *value - margin;
    at_most += x <= *value + margin;
  }
  const auto count = static_cast<double>(values.size());
  const double upper = static_cast<double>(at_least + 1) / (count + 1);
  const double lower = static_cast<double>(at_most + 1) / (count + 1);
  Permuted permuted{.mean = sum / count, .tail = tail};
  permuted.low = quantile(values, kLow);
  permuted.high = quantile(values, kHigh);
  permuted.p_value = tail == Tail::kUpper   ? upper
                     : tail == Tail::kLower ? lower
                                            : std::min(1.0, 2 * std::min(upper, lower));
  return permuted;
}

}  // namespace committee::audit
