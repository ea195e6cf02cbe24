#include "audit/assemble.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "audit/concentration.h"
#include "audit/floors.h"

namespace committee::audit {
namespace {

void add_experts(LayerResult& layer, const LayerFigures& figures) {
  const auto domains = static_cast<int64_t>(layer.specific_domains.size());
  for (size_t id = 0; id < figures.tallies.size(); ++id) {
    const RankTally& tally = figures.tallies[id];
    ExpertFigures expert;
    expert.contribution.value = figures.global[id];
    if (domains > 0) {
      expert.presence.value = static_cast<double>(tally.present) / static_cast<double>(domains);
      expert.avg_rank.value = tally.mean(domains);
      expert.rank_variance.value = tally.variance(domains);
    }
    layer.experts.push_back(expert);
  }
  for (int id : layer.core) layer.experts[id].candidate = true;
  for (int id : layer.committee) layer.experts[id].in_committee = true;
}

}  // namespace

std::optional<double> defined(double value) {
  return std::isnan(value) ? std::nullopt : std::optional(value);
}

const Figure& figure_of(const LayerResult& layer, Scalar scalar) {
  switch (scalar) {
    case kSize:
      return layer.size;
    case kCoreSize:
      return layer.core_size;
    case kAvgRank:
      return layer.avg_rank;
    case kRankVariance:
      return layer.rank_variance;
    case kCoverageFull:
      return layer.coverage_full;
    case kCoverageTopk:
      return layer.coverage_topk;
    case kRatioFull:
      return layer.ratio_full;
    case kRatioTopk:
      return layer.ratio_topk;
    case kExcessTopk:
      return layer.excess_topk;
    case kJaccardMean:
      return layer.jaccard_mean;
    case kJaccardMin:
      return layer.jaccard_min;
    case kJaccardMax:
      return layer.jaccard_max;
    case kGiniFull:
      return layer.gini_full;
    case kGiniTopk:
      return layer.gini_topk;
    case kUsedExperts:
      return layer.used_experts;
    case kRoutingEntropy:
      return layer.routing_entropy;
    case kLoadEntropy:
      return layer.load_entropy;
    case kEffectiveExperts:
      return layer.effective_experts;
    case kMaxOverMean:
      return layer.max_over_mean;
    case kUnused:
      return layer.unused;
    case kR2Nested:
      return layer.r2_nested;
    case kR2:
    case kScalars:
      break;
  }
  return layer.r2;
}

Figure& figure_of(LayerResult& layer, Scalar scalar) {
  return const_cast<Figure&>(figure_of(std::as_const(layer), scalar));
}

std::optional<Tail> tail_of(Scalar scalar) {
  switch (scalar) {
    case kAvgRank:
    case kRankVariance:
    case kUsedExperts:
    case kR2:
    case kR2Nested:
      return Tail::kUpper;
    case kRoutingEntropy:
    case kLoadEntropy:
    case kEffectiveExperts:
    case kMaxOverMean:
    case kUnused:
      return std::nullopt;
    default:
      return Tail::kLower;
  }
}

LayerResult assemble_layer(int layer_id, const LayerObservation& observed, const Rules& rules,
                           std::vector<int> specific, const Grouping& grouping) {
  LayerFigures figures = layer_figures(observed.contributions, rules, specific);
  Scalars& s = figures.scalars;
  s[kRoutingEntropy] = observed.routing_entropy;
  s[kLoadEntropy] = observed.load.load_entropy;
  s[kEffectiveExperts] = observed.load.effective_experts;
  s[kMaxOverMean] = observed.load.max_over_mean;
  s[kUnused] = observed.load.unused;
  s[kR2] = observed.r2;
  s[kR2Nested] = observed.r2_nested;
  LayerResult layer;
  layer.layer = layer_id;
  for (int i = 0; i < kScalars; ++i) {
    figure_of(layer, static_cast<Scalar>(i)).value = defined(s[static_cast<size_t>(i)]);
  }
  layer.committee = figures.committee.members;
  layer.core = figures.committee.core;
  layer.by_fallback = figures.committee.by_fallback;
  layer.specific_domains = std::move(specific);
  layer.ranks = ranks_of(figures.top, rules.experts, rules.k);
  layer.contributions.resize(observed.contributions.size());
  for (size_t i = 0; i < layer.contributions.size(); ++i)
    layer.contributions[i].value = observed.contributions[i];
  const int domains = static_cast<int>(grouping.domains.size());
  size_t pair = 0;
  for (int a = 0; a < domains; ++a) {
    for (int b = a + 1; b < domains; ++b) layer.pairs.push_back({a, b, {.value = figures.pairs[pair++]}});
  }
  layer.lorenz = lorenz(figures.global);
  for (double value : observed.silhouette) layer.silhouette.push_back({.value = defined(value)});
  add_experts(layer, figures);
  add_floors(layer, observed, rules, grouping);
  return layer;
}

Spread spread_of(std::span<const double> values) {
  constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  Spread spread{kUndefined, kUndefined, kUndefined};
  double sum = 0;
  int64_t count = 0;
  for (double value : values) {
    if (std::isnan(value)) continue;
    spread.max = count == 0 ? value : std::max(spread.max, value);
    spread.min = count == 0 ? value : std::min(spread.min, value);
    sum += value;
    ++count;
  }
  if (count > 0) spread.mean = sum / static_cast<double>(count);
  return spread;
}

Summary summary_of(const std::vector<LayerResult>& layers, Scalar scalar) {
  std::vector<double> values, floors;
  for (const LayerResult& layer : layers) {
    const Figure& figure = figure_of(layer, scalar);
    values.push_back(figure.value.value_or(std::numeric_limits<double>::quiet_NaN()));
    floors.push_back(figure.floor.value_or(std::numeric_limits<double>::quiet_NaN()));
  }
  const Spread value = spread_of(values), floor = spread_of(floors);
  Summary summary;
  summary.max = {.value = defined(value.max), .floor = defined(floor.max)};
  summary.min = {.value = defined(value.min), .floor = defined(floor.min)};
  summary.mean = {.value = defined(value.mean), .floor = defined(floor.mean)};
  return summary;
}

}  // namespace committee::audit
