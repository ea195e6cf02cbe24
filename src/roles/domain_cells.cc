#include "roles/domain_cells.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "audit/layer_vectors.h"
#include "audit/resample_plan.h"
#include "roles/tests.h"

namespace committee::roles {
namespace {

constexpr int kAtOnce = 32;  // permutations in flight

double sum_of(std::span<const double> values) { return std::accumulate(values.begin(), values.end(), 0.0); }

}  // namespace

double log_odds(double a, double b, double c, double d) {
  return std::log((a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5)));
}

std::vector<double> slots_by_domain(const LayerSlots& layer) {
  std::vector<double> sums(layer.grouping.domains.size() * layer.experts);
  for (size_t s = 0; s < layer.grouping.domain_of.size(); ++s) {
    double* sum = &sums[static_cast<size_t>(layer.grouping.domain_of[s]) * layer.experts];
    for (int e = 0; e < layer.experts; ++e) sum[e] += layer.slots[s * layer.experts + e];
  }
  return sums;
}

DomainTest::DomainTest(const LayerSlots& layer)
    : experts_(layer.experts),
      samples_(layer.grouping.domain_counts()),
      share_(experts_),
      squares_(experts_),
      cubes_(experts_) {
  const size_t samples = layer.grouping.domain_of.size();
  const auto row = [&](size_t s) { return layer.slots.subspan(s * experts_, experts_); };
  double all = 0;
  for (size_t s = 0; s < samples; ++s) {
    for (int e = 0; e < experts_; ++e) share_[e] += row(s)[e];
  }
  all = sum_of(share_);
  for (double& share : share_) share /= all;
  for (size_t s = 0; s < samples; ++s) {
    const double own = std::accumulate(row(s).begin(), row(s).end(), 0.0);
    for (int e = 0; e < experts_; ++e) {
      const double u = row(s)[e] - share_[e] * own;
      squares_[e] += u * u;
      cubes_[e] += u * u * u;
    }
  }
}

std::vector<std::optional<double>> DomainTest::p_values(std::span<const double> by_domain) const {
  const size_t domains = samples_.size();
  const auto n = static_cast<double>(std::accumulate(samples_.begin(), samples_.end(), int64_t{0}));
  std::vector<std::optional<double>> p(experts_ * domains);
  if (n < 3) return p;
  for (size_t d = 0; d < domains; ++d) {
    const auto own = static_cast<double>(samples_[d]);
    const double slots = sum_of(by_domain.subspan(d * experts_, experts_));
    const double second = own * (n - own) / (n * (n - 1)), third = second * (n - 2 * own) / (n - 2);
    for (int e = 0; e < experts_; ++e) {
      const double deviation = by_domain[d * experts_ + e] - share_[e] * slots;
      p[e * domains + d] = moment_p_value(deviation, second * squares_[e], third * cubes_[e]);
    }
  }
  return p;
}

Information information(std::span<const double> by_domain, int experts, std::span<const int> set) {
  const size_t domains = by_domain.size() / experts;
  const double all = sum_of(by_domain);
  Information result;
  for (int e = 0; e < experts; ++e) {
    double own = 0, part = 0;
    for (size_t d = 0; d < domains; ++d) own += by_domain[d * experts + e];
    for (size_t d = 0; d < domains; ++d) {
      const double x = by_domain[d * experts + e];
      if (x > 0) part += x * std::log2(x * all / (own * sum_of(by_domain.subspan(d * experts, experts))));
    }
    const bool inside = std::find(set.begin(), set.end(), e) != set.end();
    (inside ? result.inside : result.outside) += part / all;
    if (inside) result.slots_inside += own / all;
  }
  result.total = result.inside + result.outside;
  return result;
}

void for_each_permutation(
    const LayerSlots& layer, int replicates, uint64_t seed, ThreadPool& pool,
    const std::function<void(int replicate, std::span<const double> by_domain)>& visit) {
  const auto samples = static_cast<int64_t>(layer.grouping.domain_of.size());
  const size_t domains = layer.grouping.domains.size(), experts = layer.experts;
  audit::TileMatrix matrix(samples, layer.experts);
  for (int64_t s = 0; s < samples; ++s) {
    for (int e = 0; e < layer.experts; ++e) matrix.at(s, e) = layer.slots[s * layer.experts + e];
  }
  const audit::ResamplePlan plan(layer.grouping, audit::Scheme::kPermutation, replicates, seed);
  std::vector<int32_t> lists(kAtOnce * samples);
  std::vector<double> by_domain(domains * experts);
  for (int first = 0; first < replicates; first += kAtOnce) {
    const int count = std::min(kAtOnce, replicates - first);
    plan.draw(first, count, lists, pool);
    const audit::SegmentRows rows(lists, count, plan.starts(), pool);
    const auto sums = matrix.segment_sums(rows, 0, count, pool);
    for (int r = 0; r < count; ++r) {
      for (size_t d = 0; d < domains; ++d) {
        std::copy_n(&sums[(r * domains + d) * matrix.width()], experts, &by_domain[d * experts]);
      }
      visit(first + r, by_domain);
    }
  }
}

}  // namespace committee::roles
