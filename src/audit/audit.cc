#include "audit/audit.h"

#include <algorithm>
#include <numeric>

#include "audit/assemble.h"
#include "audit/grouping.h"
#include "audit/observe.h"
#include "audit/resample.h"
#include "audit/sample_reader.h"
#include "base/error.h"
#include "base/thread_pool.h"

namespace committee::audit {
namespace {

// Validates options against the trace and gives the rule they make.
Rules rules_for(const trace::Trace& trace, const AuditOptions& options) {
  const auto& [model, recording] = std::tie(trace.manifest().model, trace.manifest().recording);
  const std::string name = trace.folder().string();
  const auto& allowed = recording.allowed_eci;
  if (std::find(allowed.begin(), allowed.end(), name_of(options.eci)) == allowed.end()) {
    throw Error("{}: --eci {} needs what this trace lacks, its source ({}) allows: {}", name,
                name_of(options.eci), recording.source, fmt::join(allowed, ", "));
  }
  const int k = options.k.value_or(model.top_k);
  if (k < 1 || k > model.experts) throw Error("{}: --k {} is outside 1..{} experts", name, k, model.experts);
  if (!(options.gamma > 0 && options.gamma <= 1)) throw Error("--gamma {} is outside (0, 1]", options.gamma);
  if (options.bootstrap < 0 || options.permutations < 0 || options.expert_shuffles < 0) {
    throw Error("--bootstrap, --permutations and --expert-shuffles count replicates: 0 or more");
  }
  return {model.experts, k, options.gamma, options.fallback};
}

// Domains that make a layer's committee.
std::vector<int> specific_domains(const LayerObservation& observed, const AuditOptions& options) {
  std::vector<int> domains;
  for (int t = 0; t < static_cast<int>(observed.silhouette.size()); ++t) {
    if (!options.min_specificity || observed.silhouette[t] > *options.min_specificity) domains.push_back(t);
  }
  return domains;
}

void add_summaries(AuditResult& result) {
  result.jaccard = summary_of(result.layers, kJaccardMean);
  result.gini_full = summary_of(result.layers, kGiniFull);
  result.gini_topk = summary_of(result.layers, kGiniTopk);
  result.size = summary_of(result.layers, kSize);
  result.core_size = summary_of(result.layers, kCoreSize);
  result.coverage_full = summary_of(result.layers, kCoverageFull);
  result.coverage_topk = summary_of(result.layers, kCoverageTopk);
  result.r2 = summary_of(result.layers, kR2);
  const auto with = std::count_if(result.layers.begin(), result.layers.end(),
                                  [](const LayerResult& layer) { return !layer.committee.empty(); });
  result.layers_with_committee = {.value =
                                      static_cast<double>(with) / static_cast<double>(result.layers.size())};
}

}  // namespace

AuditResult audit(const trace::Trace& trace, const AuditOptions& options) {
  const Rules rules = rules_for(trace, options);
  ThreadPool pool(std::max(1, options.threads));
  const SampleReader reader(trace, options.positions);
  const Grouping grouping = group_samples(reader, options);
  const auto observations = observe(reader, grouping, options.eci, pool);

  AuditResult result;
  result.options = options;
  result.k = rules.k;
  result.positions = reader.positions();
  result.vectors = geometry_kind(reader) == VectorKind::kRouting ? "routing" : "frequency";
  result.model = trace.manifest().model;
  result.recording = trace.manifest().recording;
  result.samples = reader.size();
  result.rows = reader.rows();
  result.domains = grouping.domains;
  for (const auto& group : grouping.groups) result.nested.push_back(group.name);
  const int domains = static_cast<int>(grouping.domains.size());
  for (int l = 0; l < reader.layers(); ++l) {
    result.layers.push_back(assemble_layer(result.model.moe_layers[l], observations[l], rules,
                                           specific_domains(observations[l], options), domains));
  }
  add_summaries(result);
  resample(result, reader, grouping, rules, pool);
  return result;
}

}  // namespace committee::audit
