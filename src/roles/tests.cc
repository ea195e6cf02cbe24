#include "roles/tests.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/random.h"

namespace committee::roles {
namespace {

constexpr int kSteps = 10000;
constexpr double kEnough = 1e-15, kTiny = 1e-300;
constexpr double kLargeShape = 1e4;  // beyond it the cube root of a gamma variable is as good as normal

double upper_normal(double z) { return 0.5 * std::erfc(z / std::sqrt(2.0)); }

// P(a, x) by its series.
double lower_series(double a, double x) {
  double term = 1 / a, sum = term;
  for (int n = 1; n < kSteps && term > sum * kEnough; ++n) sum += term *= x / (a + n);
  return sum * std::exp(a * std::log(x) - x - std::lgamma(a));
}

// Q(a, x) by its continued fraction (Lentz).
double upper_fraction(double a, double x) {
  double b = x + 1 - a, c = 1 / kTiny, d = 1 / b, h = d;
  for (int n = 1; n < kSteps; ++n) {
    const double an = n * (a - n);
    b += 2;
    d = an * d + b;
    d = 1 / (std::abs(d) < kTiny ? kTiny : d);
    c = b + an / c;
    if (std::abs(c) < kTiny) c = kTiny;
    const double step = c * d;
    h *= step;
    if (std::abs(step - 1) < kEnough) break;
  }
  return h * std::exp(a * std::log(x) - x - std::lgamma(a));
}

// Both tails of a gamma variable of shape a at x.
struct Tails {
  double lower, upper;
};
Tails gamma_tails(double a, double x) {
  if (a > kLargeShape) {
    const double z = (std::cbrt(x / a) - (1 - 1 / (9 * a))) * 3 * std::sqrt(a);  // Wilson and Hilferty
    return {upper_normal(-z), upper_normal(z)};
  }
  if (x < a + 1) {
    const double lower = lower_series(a, x);
    return {lower, 1 - lower};
  }
  const double upper = upper_fraction(a, x);
  return {1 - upper, upper};
}

}  // namespace

double upper_gamma(double a, double x) { return x > 0 ? gamma_tails(a, x).upper : 1; }

std::optional<double> moment_p_value(double deviation, double variance, double third_moment) {
  if (!(variance > 0)) return std::nullopt;
  double z = deviation / std::sqrt(variance);
  double skew = third_moment / (variance * std::sqrt(variance));
  if (skew < 0) z = -z, skew = -skew;  // two-sided: the mirror image has the same p
  double p = 0;
  if (skew < 1e-6) {
    p = 2 * upper_normal(std::abs(z));
  } else {
    const double root = 2 / skew, x = root * (root + z);
    if (x <= 0) {
      p = 1 / (1 + z * z);
    } else {
      const Tails tails = gamma_tails(root * root, x);
      p = 2 * std::min(tails.lower, tails.upper);
    }
  }
  return std::clamp(p, std::numeric_limits<double>::min(), 1.0);
}

std::vector<std::optional<double>> q_values(std::span<const std::optional<double>> p_values) {
  std::vector<size_t> order;
  for (size_t i = 0; i < p_values.size(); ++i) {
    if (p_values[i]) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return *p_values[a] != *p_values[b] ? *p_values[a] < *p_values[b] : a < b;
  });
  std::vector<std::optional<double>> q(p_values.size());
  const auto count = static_cast<double>(order.size());
  double least = 1;
  for (size_t i = order.size(); i-- > 0;) {
    least = std::min(least, *p_values[order[i]] * count / static_cast<double>(i + 1));
    q[order[i]] = least;
  }
  return q;
}

std::optional<double> sign_flip_p_value(std::span<const double> differences, unsigned long long seed) {
  constexpr size_t kEnumerated = 16;
  constexpr int64_t kDrawn = 10000;
  const size_t n = differences.size();
  if (n == 0) return std::nullopt;
  const double observed = std::abs(std::accumulate(differences.begin(), differences.end(), 0.0));
  const double enough = observed * (1 - 1e-12);
  int64_t as_far = 0;
  const auto sum_of = [&](auto negative) {
    double sum = 0;
    for (size_t i = 0; i < n; ++i) sum += negative(i) ? -differences[i] : differences[i];
    return std::abs(sum);
  };
  if (n <= kEnumerated) {
    const uint64_t all = uint64_t{1} << n;
    for (uint64_t signs = 0; signs < all; ++signs) {
      as_far += sum_of([&](size_t i) { return (signs >> i & 1) != 0; }) >= enough;
    }
    return static_cast<double>(as_far) / static_cast<double>(all);
  }
  Random random(seed);
  for (int64_t r = 0; r < kDrawn; ++r) {
    as_far += sum_of([&](size_t) { return (random.next() >> 63) != 0; }) >= enough;
  }
  return static_cast<double>(as_far + 1) / static_cast<double>(kDrawn + 1);
}

}  // namespace committee::roles
