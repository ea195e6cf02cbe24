#include "audit/layer_figures.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "audit/concentration.h"
#include "audit/exact_sum.h"
#include "audit/sharing.h"

namespace committee::audit {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// Means over `domains` of the contributions, whole and inside each domain's own top k.
struct Means {
  std::vector<double> full, topk;
};
Means means_over(std::span<const int> domains, std::span<const double> contributions,
                 std::span<const int> top, const Rules& rules) {
  const size_t experts = rules.experts;
  std::vector<ExactSum> full(experts), topk(experts);
  for (int t : domains) {
    const double* row = &contributions[t * experts];
    for (size_t e = 0; e < experts; ++e) full[e].add(row[e]);
    for (int r = 0; r < rules.k; ++r) {
      const int id = top[static_cast<size_t>(t) * rules.k + r];
      topk[id].add(row[id]);
    }
  }
  Means means{std::vector<double>(experts), std::vector<double>(experts)};
  const double count = std::max<double>(1, static_cast<double>(domains.size()));
  for (size_t e = 0; e < experts; ++e) {
    means.full[e] = full[e].value() / count;
    means.topk[e] = topk[e].value() / count;
  }
  return means;
}

void add_committee(LayerFigures& figures, const Rules& rules, std::span<const int> specific,
                   const Means& means) {
  std::vector<int> top;
  for (int t : specific) {
    const auto begin = figures.top.begin() + static_cast<int64_t>(t) * rules.k;
    top.insert(top.end(), begin, begin + rules.k);
  }
  const auto domains = static_cast<int64_t>(specific.size());
  figures.tallies = tally_ranks(top, rules.experts, rules.k);
  figures.committee = find_committee(figures.tallies, domains, rules.gamma, rules.fallback);
  const auto& members = figures.committee.members;
  Scalars& s = figures.scalars;
  s[kSize] = static_cast<double>(members.size());
  s[kCoreSize] = static_cast<double>(figures.committee.core.size());
  if (!members.empty()) {
    s[kAvgRank] = s[kRankVariance] = 0;
    for (int id : members) {
      s[kAvgRank] += figures.tallies[id].mean(domains) / s[kSize];
      s[kRankVariance] += figures.tallies[id].variance(domains) / s[kSize];
    }
  }
  const Share full = share_of(members, means.full), topk = share_of(members, means.topk);
  s[kCoverageFull] = full.coverage;
  s[kRatioFull] = full.ratio;
  s[kCoverageTopk] = topk.coverage;
  s[kRatioTopk] = topk.ratio;
  s[kExcessTopk] = topk.coverage - std::min(1.0, s[kSize] / rules.k);
}

void add_sharing(LayerFigures& figures, const Rules& rules) {
  figures.pairs = jaccard_pairs(figures.top, rules.experts, rules.k);
  if (figures.pairs.empty()) return;
  const auto [least, most] = std::minmax_element(figures.pairs.begin(), figures.pairs.end());
  figures.scalars[kJaccardMean] = std::accumulate(figures.pairs.begin(), figures.pairs.end(), 0.0) /
                                  static_cast<double>(figures.pairs.size());
  figures.scalars[kJaccardMin] = *least;
  figures.scalars[kJaccardMax] = *most;
}

}  // namespace

LayerFigures layer_figures(std::span<const double> contributions, const Rules& rules,
                           std::span<const int> specific) {
  LayerFigures figures;
  figures.scalars.fill(kUndefined);
  figures.top = top_k_of_domains(contributions, rules.experts, rules.k);
  std::vector<int> all(contributions.size() / rules.experts);
  std::iota(all.begin(), all.end(), 0);
  Means means = means_over(all, contributions, figures.top, rules);
  add_committee(
      figures, rules, specific,
      specific.size() == all.size() ? means : means_over(specific, contributions, figures.top, rules));
  add_sharing(figures, rules);
  std::vector<bool> used(rules.experts);
  for (int id : figures.top) used[id] = true;
  figures.scalars[kUsedExperts] = static_cast<double>(std::count(used.begin(), used.end(), true));
  figures.scalars[kGiniFull] = gini(means.full);
  figures.scalars[kGiniTopk] = gini(means.topk);
  figures.global = std::move(means.full);
  figures.global_topk = std::move(means.topk);
  return figures;
}

}  // namespace committee::audit
