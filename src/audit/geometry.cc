#include "audit/geometry.h"

#include <algorithm>
#include <limits>

namespace committee::audit {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
// Distances below this are rounding of 0: 1 - cos is computed to about 1e-16.
constexpr double kSameDirection = 1e-14;

// Sums |S_g|²/n_g over groups; the sums of squares of METHOD 9 are differences of these.
struct Squares {
  double groups = 0, all = 0, vectors = 0;
};

double squared_norm(std::span<const double> v) {
  double sum = 0;
  for (double x : v) sum += x * x;
  return sum;
}

Squares squares_of(std::span<const double> sums, std::span<const int64_t> counts, int experts) {
  Squares squares;
  std::vector<double> all(experts);
  for (size_t g = 0; g < counts.size(); ++g) {
    if (counts[g] == 0) continue;
    const auto sum = sums.subspan(g * experts, experts);
    const auto count = static_cast<double>(counts[g]);
    squares.groups += squared_norm(sum) / count;
    squares.vectors += count;
    for (int e = 0; e < experts; ++e) all[e] += sum[e];
  }
  squares.all = squared_norm(all) / squares.vectors;
  return squares;
}

}  // namespace

double variance_explained(std::span<const double> sums, std::span<const int64_t> counts, int experts) {
  if (counts.size() < 2) return kUndefined;
  const Squares squares = squares_of(sums, counts, experts);
  const double total = squares.vectors - squares.all;
  if (!(total > kSameDirection * squares.vectors)) return kUndefined;
  return std::max(0.0, (squares.groups - squares.all) / total);
}

NestedVariance nested_variance(std::span<const double> sums, std::span<const int64_t> counts,
                               std::span<const int> domain_of, int domains, int experts) {
  if (counts.size() <= static_cast<size_t>(domains)) return {kUndefined, kUndefined};
  std::vector<double> domain_sums(static_cast<size_t>(domains) * experts);
  std::vector<int64_t> domain_counts(domains), domain_groups(domains);
  for (size_t g = 0; g < counts.size(); ++g) {
    ++domain_groups[domain_of[g]];
    domain_counts[domain_of[g]] += counts[g];
    for (int e = 0; e < experts; ++e) {
      domain_sums[static_cast<size_t>(domain_of[g]) * experts + e] += sums[g * experts + e];
    }
  }
  const Squares groups = squares_of(sums, counts, experts);
  const Squares within = squares_of(domain_sums, domain_counts, experts);
  const double total = groups.vectors - groups.all;
  if (!(total > kSameDirection * groups.vectors)) return {kUndefined, kUndefined};
  double chance = 0;
  for (int t = 0; t < domains; ++t) {
    if (domain_counts[t] < 2) continue;
    const auto count = static_cast<double>(domain_counts[t]);
    const auto sum = std::span(domain_sums).subspan(static_cast<size_t>(t) * experts, experts);
    chance += (count - squared_norm(sum) / count) * static_cast<double>(domain_groups[t] - 1) / (count - 1);
  }
  return {std::max(0.0, (groups.groups - within.groups) / total), chance / total};
}

double silhouette(std::span<const double> dots, std::span<const int64_t> counts, int own) {
  if (counts[own] < 2) return 0;
  auto distance = [](double similarity) {
    const double d = 1 - similarity;
    return d < kSameDirection ? 0.0 : d;
  };
  const double a = distance((dots[own] - 1) / static_cast<double>(counts[own] - 1));
  double b = std::numeric_limits<double>::infinity();
  for (size_t t = 0; t < dots.size(); ++t) {
    if (static_cast<int>(t) != own) b = std::min(b, distance(dots[t] / static_cast<double>(counts[t])));
  }
  const double most = std::max(a, b);
  return most > 0 ? (b - a) / most : 0;
}

}  // namespace committee::audit
