#pragma once

#include <optional>

#include "audit/result.h"

namespace committee::report {

// The few numbers that sentences and comparisons rest on: figures over the layers, means leaving out layers
// without a value.
struct Overview {
  int layers = 0, with_core = 0, with_committee = 0, by_fallback = 0;
  int least_size = 0, most_size = 0, least_core = 0, most_core = 0;  // of layers that have one
  std::optional<double> coverage, coverage_floor;  // of the top-k mass, layers with a committee
  std::optional<double> coverage_full, coverage_full_floor;
  std::optional<double> jaccard, chance, jaccard_permuted;
  int jaccard_below = 0;  // layers whose Jaccard is below the 2.5% percentile of its permuted values
  std::optional<double> gini_topk, gini_floor, gini_full;
  std::optional<double> used, silhouette, r2, r2_permuted;
  bool has_verdicts = false;  // the audit judged the layers
  int beyond_chance = 0;      // layers judged to have a committee
};
Overview overview(const audit::AuditResult& result);

// Mean silhouette of a domain over the layers.
std::optional<double> mean_silhouette(const audit::AuditResult& result, size_t domain);

}  // namespace committee::report
