#include "report/comparison.h"
#include "report/json_writer.h"

namespace committee::report {

namespace {

using audit::ExpertChange;
using audit::LayerComparison;
using audit::PairComparison;
using audit::SetChange;

void write_expert(JsonWriter& out, const ExpertChange& expert) {
  out.begin_object();
  out.member("expert", expert.expert);
  out.member("change", expert.joined ? "joined" : "left");
  out.member("inclusion_reference", expert.inclusion_reference);
  out.member("inclusion_audit", expert.inclusion_audit);
  out.member("noise", name_of(expert.change));
  out.end_object();
}

void write_set(JsonWriter& out, const char* name, const SetChange& set) {
  out.key(name);
  out.begin_object();
  out.member("jaccard", set.jaccard);
  out.member("jaccard_interval", set.interval);
  out.member("agreement", set.agreement);
  out.member("change", name_of(set.change));
  out.key("experts");
  out.begin_array();
  for (const auto& expert : set.experts) write_expert(out, expert);
  out.end_array();
  out.end_object();
}

void write_layer(JsonWriter& out, const LayerComparison& layer) {
  out.begin_object();
  out.member("layer", layer.layer);
  write_set(out, "committee", layer.committee);
  write_set(out, "core", layer.core);
  out.member("spearman", layer.spearman);
  out.member("contributions_apart", layer.apart);
  out.end_object();
}

void write_pair(JsonWriter& out, const ComparisonReport& report, const PairComparison& pair) {
  out.begin_object();
  out.member("reference", report.audits[static_cast<size_t>(pair.reference)].label);
  out.member("audit", report.audits[static_cast<size_t>(pair.audit)].label);
  out.member("committee_jaccard", pair.committee_jaccard);
  out.member("committee_jaccard_interval", pair.committee_interval);
  out.member("committee_agreement", pair.committee_agreement);
  out.member("core_jaccard", pair.core_jaccard);
  out.member("core_jaccard_interval", pair.core_interval);
  out.member("spearman", pair.spearman);
  out.key("layers");
  out.begin_array();
  for (const auto& layer : pair.layers) write_layer(out, layer);
  out.end_array();
  out.end_object();
}

void write_audit_of(JsonWriter& out, const ComparisonReport& report, size_t index) {
  const auto& [label, result] = report.audits[index];
  out.begin_object();
  out.member("label", label);
  out.member("model", result.model.name);
  out.member("model_type", result.model.model_type);
  out.member("layers", static_cast<int>(result.layers.size()));
  out.member("experts", result.model.experts);
  out.member("k", result.k);
  out.member("positions", result.positions);
  out.member("dataset", result.recording.dataset);
  out.member("samples", result.samples);
  out.member("bootstrap", result.options.bootstrap);
  out.member("verdict", result.verdict.reason);
  const auto obstacle = audit::shape_obstacle(report.audits[0].result, result);
  out.member("other_shape", obstacle.empty() ? std::optional<std::string>() : std::optional(obstacle));
  out.member("differences", audit::setting_differences(report.audits[0].result, result));
  out.end_object();
}

void write_figure(JsonWriter& out, const ComparisonReport& report, const ComparedFigure& figure) {
  out.begin_object();
  out.member("figure", figure.name);
  out.member("audit", report.audits[figure.audit].label);
  out.member("value", figure.value);
  out.member("interval", figure.interval);
  out.member("floor", figure.floor);
  out.member("permuted_mean", figure.permuted_mean);
  out.member("excess_floor", figure.excess_floor);
  out.member("excess_permuted", figure.excess_permuted);
  out.member("excess_relative", figure.excess_relative);
  out.member("layers", figure.layers);
  out.member("layers_p05", figure.layers_p05);
  out.end_object();
}

}  // namespace

std::string comparison_json(const ComparisonReport& report, const std::string& command) {
  constexpr int kLineDepth = 4;
  JsonWriter out(kLineDepth);
  out.begin_object();
  out.head("committee-audit compare", command);
  out.member("format_version", 1);
  out.member("sentences", report.sentences);
  out.key("audits");
  out.begin_array();
  for (size_t i = 0; i < report.audits.size(); ++i) write_audit_of(out, report, i);
  out.end_array();
  out.key("pairs");
  out.begin_array();
  for (const auto& pair : report.pairs) write_pair(out, report, pair);
  out.end_array();
  out.key("figures");
  out.begin_array();
  for (const auto& figure : report.figures) write_figure(out, report, figure);
  out.end_array();
  out.end_object();
  return out.text() + "\n";
}

}  // namespace committee::report
