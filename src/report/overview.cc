#include "report/overview.h"

#include <algorithm>

namespace committee::report {

namespace {

using audit::AuditResult;
using audit::LayerResult;

template <typename Get>
std::optional<double> mean_of(const AuditResult& result, Get get) {
  double sum = 0;
  int count = 0;
  for (const auto& layer : result.layers) {
    const std::optional<double> value = get(layer);
    if (!value) continue;
    sum += *value;
    ++count;
  }
  return count > 0 ? std::optional(sum / count) : std::nullopt;
}

void measure_sets(const AuditResult& result, Overview& view) {
  const auto widen = [](int size, int& count, int& least, int& most) {
    if (size == 0) return;
    least = count == 0 ? size : std::min(least, size);
    most = std::max(most, size);
    ++count;
  };
  for (const auto& layer : result.layers) {
    ++view.layers;
    view.by_fallback += layer.by_fallback;
    widen(static_cast<int>(layer.core.size()), view.with_core, view.least_core, view.most_core);
    widen(static_cast<int>(layer.committee.size()), view.with_committee, view.least_size, view.most_size);
    view.has_verdicts = view.has_verdicts || !layer.verdict.reason.empty();
    view.beyond_chance += layer.verdict.verdict == audit::Verdict::kCommittee;
    const auto& jaccard = layer.jaccard_mean;
    view.jaccard_below += jaccard.value && jaccard.permuted && *jaccard.value < jaccard.permuted->low;
  }
}

}  // namespace

std::optional<double> mean_silhouette(const AuditResult& result, size_t domain) {
  return mean_of(result, [&](const LayerResult& layer) { return layer.silhouette[domain].value; });
}

Overview overview(const AuditResult& result) {
  Overview view;
  measure_sets(result, view);
  const auto value = [&](audit::Figure LayerResult::*figure) {
    return mean_of(result, [=](const LayerResult& layer) { return (layer.*figure).value; });
  };
  const auto with_committee = [&](auto get) {
    return mean_of(result, [=](const LayerResult& layer) {
      return layer.committee.empty() ? std::nullopt : get(layer);
    });
  };
  view.coverage = with_committee([](const LayerResult& layer) { return layer.coverage_topk.value; });
  view.coverage_floor = with_committee([](const LayerResult& layer) { return layer.coverage_topk.floor; });
  view.coverage_full = with_committee([](const LayerResult& layer) { return layer.coverage_full.value; });
  view.coverage_full_floor =
      with_committee([](const LayerResult& layer) { return layer.coverage_full.floor; });
  const auto permuted = [&](audit::Figure LayerResult::*figure) {
    return mean_of(result, [=](const LayerResult& layer) {
      const auto& permuted_values = (layer.*figure).permuted;
      return permuted_values ? std::optional(permuted_values->mean) : std::nullopt;
    });
  };
  view.jaccard = value(&LayerResult::jaccard_mean);
  view.jaccard_permuted = permuted(&LayerResult::jaccard_mean);
  view.chance = mean_of(result, [](const LayerResult& layer) { return layer.chance; });
  view.gini_topk = value(&LayerResult::gini_topk);
  view.gini_floor = mean_of(result, [](const LayerResult& layer) { return layer.gini_topk.floor; });
  view.gini_full = value(&LayerResult::gini_full);
  view.used = value(&LayerResult::used_experts);
  view.r2 = value(&LayerResult::r2);
  view.r2_permuted = permuted(&LayerResult::r2);
  double sum = 0;
  int count = 0;
  for (size_t d = 0; d < result.domains.size(); ++d) {
    const auto silhouette = mean_silhouette(result, d);
    sum += silhouette.value_or(0);
    count += silhouette.has_value();
  }
  if (count > 0) view.silhouette = sum / count;
  return view;
}

}  // namespace committee::report
