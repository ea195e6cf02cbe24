#include "audit/floors.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "audit/committee.h"
#include "audit/concentration.h"
#include "audit/sharing.h"

namespace committee::audit {
namespace {

// Gives a floor to a figure that has a value.
void set(Figure& figure, double floor) {
  if (figure.value) figure.floor = floor;
}

void add_committee(LayerResult& layer, const Rules& rules) {
  const auto members = static_cast<double>(layer.committee.size());
  const auto experts = static_cast<double>(rules.experts), k = static_cast<double>(rules.k);
  const auto domains = static_cast<int64_t>(layer.specific_domains.size());
  if (!layer.core.empty()) layer.size.floor = expected_front(static_cast<int64_t>(layer.core.size()));
  if (domains > 0) layer.core_size.floor = experts * chance_of_candidate(rules, domains);
  if (members == 0) return;
  set(layer.avg_rank, (members + 1) / 2);  // ranks of one domain are distinct
  set(layer.rank_variance, 0);
  set(layer.coverage_full, members / experts);
  set(layer.coverage_topk, std::min(1.0, members / k));
  set(layer.excess_topk, 0);
  set(layer.ratio_full, 1);
  if (members < k) set(layer.ratio_topk, (experts - members) / (k - members));
}

void add_experts(LayerResult& layer, const Rules& rules) {
  const auto domains = static_cast<double>(layer.specific_domains.size());
  const ChanceRank rank = chance_rank(rules);
  double total = 0;
  for (const auto& expert : layer.experts) total += expert.contribution.value.value_or(0);
  for (auto& expert : layer.experts) {
    set(expert.contribution, total / rules.experts);
    set(expert.presence, static_cast<double>(rules.k) / rules.experts);
    set(expert.avg_rank, rank.mean);
    set(expert.rank_variance, rank.variance * (domains - 1) / domains);
  }
  const auto width = static_cast<size_t>(rules.experts);
  for (size_t begin = 0; begin < layer.contributions.size(); begin += width) {
    double whole = 0;
    for (size_t e = 0; e < width; ++e) whole += layer.contributions[begin + e].value.value_or(0);
    for (size_t e = 0; e < width; ++e) set(layer.contributions[begin + e], whole / rules.experts);
  }
}

void add_sharing(LayerResult& layer, const Rules& rules, size_t domains) {
  if (domains < 2) return;
  layer.chance = chance_jaccard(rules.experts, rules.k);
  layer.jaccard_mean.floor = layer.chance;
  for (DomainPair& pair : layer.pairs) pair.jaccard.floor = layer.chance;
  const int forced = std::max(0, 2 * rules.k - rules.experts);
  const double least = static_cast<double>(forced) / (2 * rules.k - forced);
  set(layer.jaccard_min, domains == 2 ? *layer.chance : least);
  set(layer.jaccard_max, domains == 2 ? *layer.chance : least);
}

// Every token fills k slots with different experts, so that no share of them exceeds 1/k.
void add_load(LayerResult& layer, int executed, int experts) {
  set(layer.routing_entropy, 0);
  set(layer.load_entropy, experts > 1 ? std::log(executed) / std::log(experts) : 0);
  set(layer.effective_experts, executed);
  set(layer.max_over_mean, 1);
  set(layer.unused, 0);
}

}  // namespace

double chance_of_candidate(const Rules& rules, int64_t domains) {
  const double p = static_cast<double>(rules.k) / rules.experts, n = static_cast<double>(domains);
  if (p >= 1) return 1;
  double sum = 0;
  for (int64_t m = std::max<int64_t>(1, presence_needed(rules.gamma, domains)); m <= domains; ++m) {
    const auto x = static_cast<double>(m);
    sum += std::exp(std::lgamma(n + 1) - std::lgamma(x + 1) - std::lgamma(n - x + 1) + x * std::log(p) +
                    (n - x) * std::log1p(-p));
  }
  return std::min(1.0, sum);
}

ChanceRank chance_rank(const Rules& rules) {
  const double experts = rules.experts, k = rules.k, outside = experts - k;
  ChanceRank rank;
  rank.mean = (k * (k + 1) / 2 + outside * (k + 1)) / experts;
  const double squares = (k * (k + 1) * (2 * k + 1) / 6 + outside * (k + 1) * (k + 1)) / experts;
  rank.variance = squares - rank.mean * rank.mean;
  return rank;
}

void add_floors(LayerResult& layer, const LayerObservation& observed, const Rules& rules,
                const Grouping& grouping) {
  const size_t domains = grouping.domains.size();
  add_committee(layer, rules);
  add_experts(layer, rules);
  add_sharing(layer, rules, domains);
  layer.gini_full.floor = 0;
  layer.gini_topk.floor = 1 - *layer.used_experts.value / rules.experts;
  set(layer.used_experts, rules.k);
  add_load(layer, observed.executed, rules.experts);
  const auto samples = static_cast<double>(grouping.domain_of.size());
  if (samples > 1) set(layer.r2, (static_cast<double>(domains) - 1) / (samples - 1));
  if (!std::isnan(observed.r2_nested_floor)) set(layer.r2_nested, observed.r2_nested_floor);
}

}  // namespace committee::audit
