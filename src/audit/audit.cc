#include "audit/audit.h"

#include <algorithm>
#include <numeric>

#include "audit/assemble.h"
#include "audit/checks.h"
#include "audit/grouping.h"
#include "audit/observe.h"
#include "audit/resample.h"
#include "audit/sample_reader.h"
#include "audit/verdict.h"
#include "audit/warnings.h"
#include "base/thread_pool.h"

namespace committee::audit {
namespace {

// Domains that make a layer's committee.
std::vector<int> specific_domains(const LayerObservation& observed, const AuditOptions& options) {
  std::vector<int> domains;
  for (int t = 0; t < static_cast<int>(observed.silhouette.size()); ++t) {
    if (!options.min_specificity || observed.silhouette[t] > *options.min_specificity) domains.push_back(t);
  }
  return domains;
}

void add_summaries(AuditResult& result) {
  for (const auto& [summary, scalar] : kSummaries) result.*summary = summary_of(result.layers, scalar);
  const auto with = std::count_if(result.layers.begin(), result.layers.end(),
                                  [](const LayerResult& layer) { return !layer.committee.empty(); });
  result.layers_with_committee = {.value =
                                      static_cast<double>(with) / static_cast<double>(result.layers.size())};
}

}  // namespace

AuditResult audit(const trace::Trace& trace, const AuditOptions& options) {
  const Rules rules = rules_for(trace, options);
  ThreadPool pool(std::max(1, options.threads));
  const SampleReader reader(trace, options.positions, options.memory);
  const Grouping grouping = group_samples(reader, options);
  auto store = VectorStore::within(options.memory / 2, reader, vectors_for_resampling(options, reader));
  VectorStore* kept = store ? &*store : nullptr;
  Resampler resampler(reader, grouping, rules, options, kept, pool);
  const auto observations = observe(reader, grouping, options.eci, pool, kept,
                                    [&](int64_t read) { return resampler.work_ahead(read); });

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
  for (int l = 0; l < reader.layers(); ++l) {
    result.layers.push_back(assemble_layer(result.model.moe_layers[l], observations[l], rules,
                                           specific_domains(observations[l], options), grouping));
  }
  add_summaries(result);
  resampler.finish(result);
  result.warnings = find_warnings({result, reader, grouping, observations});
  add_verdicts(result);
  return result;
}

}  // namespace committee::audit
