#pragma once

#include <utility>
#include <vector>

#include "audit/grouping.h"
#include "audit/layer_figures.h"
#include "audit/observe.h"
#include "audit/result.h"

namespace committee::audit {

// NaN → nothing.
std::optional<double> defined(double value);

// The observed values and floors of one layer. `specific` as layer_figures takes it.
LayerResult assemble_layer(int layer_id, const LayerObservation& observed, const Rules& rules,
                           std::vector<int> specific, const Grouping& grouping);

// The figure of a LayerResult that a scalar is the value of.
Figure& figure_of(LayerResult& layer, Scalar scalar);
const Figure& figure_of(const LayerResult& layer, Scalar scalar);

// The tail of its permutation test; nothing where the figure does not depend on the domains.
std::optional<Tail> tail_of(Scalar scalar);

// Greatest, least and mean over layers.
struct Spread {
  double max, min, mean;  // NaN where no layer has a value
};
Spread spread_of(std::span<const double> values);
Summary summary_of(const std::vector<LayerResult>& layers, Scalar scalar);

// The summary of each scalar.
inline constexpr std::pair<Summary AuditResult::*, Scalar> kSummaries[] = {
    {&AuditResult::size, kSize},
    {&AuditResult::core_size, kCoreSize},
    {&AuditResult::avg_rank, kAvgRank},
    {&AuditResult::rank_variance, kRankVariance},
    {&AuditResult::coverage_full, kCoverageFull},
    {&AuditResult::coverage_topk, kCoverageTopk},
    {&AuditResult::ratio_full, kRatioFull},
    {&AuditResult::ratio_topk, kRatioTopk},
    {&AuditResult::excess_topk, kExcessTopk},
    {&AuditResult::jaccard, kJaccardMean},
    {&AuditResult::jaccard_min, kJaccardMin},
    {&AuditResult::jaccard_max, kJaccardMax},
    {&AuditResult::gini_full, kGiniFull},
    {&AuditResult::gini_topk, kGiniTopk},
    {&AuditResult::used_experts, kUsedExperts},
    {&AuditResult::routing_entropy, kRoutingEntropy},
    {&AuditResult::load_entropy, kLoadEntropy},
    {&AuditResult::effective_experts, kEffectiveExperts},
    {&AuditResult::max_over_mean, kMaxOverMean},
    {&AuditResult::unused, kUnused},
    {&AuditResult::r2, kR2},
    {&AuditResult::r2_nested, kR2Nested}};

}  // namespace committee::audit
