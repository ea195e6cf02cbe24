#include "base/version.h"
#include "report/audit_files.h"
#include "report/audit_schema.h"
#include "report/json_writer.h"

namespace committee::report {

namespace {

using audit::AuditResult;
using audit::Figure;
using audit::LayerResult;

void write(JsonWriter& out, const Figure& figure) {
  out.begin_object();
  out.member("value", figure.value);
  if (figure.floor) out.member("floor", figure.floor);
  if (figure.permuted) {
    out.key("permuted");
    out.begin_object();
    out.member("mean", figure.permuted->mean);
    out.member("low", figure.permuted->low);
    out.member("high", figure.permuted->high);
    out.member("p_value", figure.permuted->p_value);
    out.member("tail", name_of(figure.permuted->tail));
    out.end_object();
  }
  if (figure.bootstrap) out.member("bootstrap", *figure.bootstrap);
  out.end_object();
}

void member(JsonWriter& out, const char* name, const Figure& figure) {
  out.key(name);
  write(out, figure);
}

// Many figures as one array for each part that any of them has. `at(i)` gives the i-th figure.
template <typename At>
void write_columns(JsonWriter& out, const char* name, size_t count, At at) {
  out.key(name);
  out.begin_object();
  const auto column = [&](const char* part, auto get) {
    out.key(part);
    out.begin_array();
    for (size_t i = 0; i < count; ++i) out.value(get(at(i)));
    out.end_array();
  };
  column("value", [](const Figure& figure) { return figure.value; });
  for (const auto& baseline : kBaselines) {
    bool any = false;
    for (size_t i = 0; i < count && !any; ++i) any = baseline.get(at(i)).has_value();
    if (any) column(baseline.suffix, baseline.get);
  }
  for (size_t i = 0; i < count; ++i) {
    if (!at(i).permuted) continue;
    out.member("tail", name_of(at(i).permuted->tail));
    break;
  }
  out.end_object();
}

void write(JsonWriter& out, const audit::VerdictText& verdict) {
  out.key("verdict");
  out.begin_object();
  out.member("verdict", name_of(verdict.verdict));
  out.member("reason", verdict.reason);
  out.end_object();
}

void write_pairs(JsonWriter& out, const std::vector<std::pair<std::string, std::string>>& pairs) {
  out.begin_array();
  for (const auto& [name, value] : pairs) out.value(std::vector<std::string>{name, value});
  out.end_array();
}

void write(JsonWriter& out, const audit::AuditOptions& options) {
  out.key("options");
  out.begin_object();
  out.member("eci", name_of(options.eci));
  out.member("k", options.k);
  out.member("gamma", options.gamma);
  out.member("fallback", name_of(options.fallback));
  out.member("min_specificity", options.min_specificity);
  out.member("positions", name_of(options.positions));
  out.member("group_by", options.group_by);
  out.key("domain_of");
  out.begin_object();
  for (const auto& [subject, domain] : options.domain_of) out.member(subject, domain);
  out.end_object();
  out.member("nested", options.nested);
  out.member("bootstrap", options.bootstrap);
  out.member("permutations", options.permutations);
  out.member("expert_shuffles", options.expert_shuffles);
  out.member("silhouette_replicates", options.silhouette_replicates);
  out.member("seed", options.seed);
  out.member("threads", options.threads);
  out.member("memory", options.memory);
  out.end_object();
}

void write(JsonWriter& out, const trace::ModelInfo& model) {
  out.key("model");
  out.begin_object();
  out.member("name", model.name);
  out.member("model_type", model.model_type);
  out.member("fingerprint", model.fingerprint);
  out.member("moe_layers", model.moe_layers);
  out.member("experts", model.experts);
  out.member("top_k", model.top_k);
  out.member("shared_experts", model.shared_experts);
  out.member("router_score", model.router_score);
  out.member("norm_topk_prob", model.norm_topk_prob);
  out.end_object();
}

void write(JsonWriter& out, const trace::RecordingInfo& recording) {
  out.key("recording");
  out.begin_object();
  out.member("source", recording.source);
  out.member("dataset", recording.dataset);
  out.member("template", recording.prompt_template);
  out.member("positions", recording.positions);
  out.member("record", name_of(recording.record));
  out.member("dtype", name_of(recording.dtype));
  out.member("executed", name_of(recording.executed));
  out.member("allowed_eci", recording.allowed_eci);
  out.member("group_columns", recording.group_columns);
  out.member("data_fingerprint", recording.data_fingerprint);
  out.key("options");
  write_pairs(out, recording.options);
  out.key("stability");
  out.begin_array();
  for (const auto& point : recording.stability) {
    out.begin_object();
    out.member("samples", point.samples);
    out.member("stable_layers", point.stable_layers);
    out.member("agreement", point.agreement);
    out.end_object();
  }
  out.end_array();
  out.end_object();
}

void write_experts(JsonWriter& out, const std::vector<audit::ExpertFigures>& experts) {
  out.key("experts");
  out.begin_object();
  for (const auto& column : kExpertFigures) {
    write_columns(out, column.name, experts.size(),
                  [&](size_t i) -> const Figure& { return experts[i].*column.figure; });
  }
  const auto plain = [&](const char* name, auto member) {
    out.key(name);
    out.begin_array();
    for (const auto& expert : experts) out.value(expert.*member);
    out.end_array();
  };
  plain("candidate", &audit::ExpertFigures::candidate);
  plain("in_committee", &audit::ExpertFigures::in_committee);
  plain("inclusion", &audit::ExpertFigures::inclusion);
  plain("core_inclusion", &audit::ExpertFigures::core_inclusion);
  out.end_object();
}

void write_pairs(JsonWriter& out, const std::vector<audit::DomainPair>& pairs) {
  out.key("pairs");
  out.begin_object();
  const auto plain = [&](const char* name, auto member) {
    out.key(name);
    out.begin_array();
    for (const auto& pair : pairs) out.value(pair.*member);
    out.end_array();
  };
  plain("a", &audit::DomainPair::a);
  plain("b", &audit::DomainPair::b);
  write_columns(out, "jaccard", pairs.size(), [&](size_t i) -> const Figure& { return pairs[i].jaccard; });
  out.end_object();
}

void write(JsonWriter& out, const std::optional<audit::ShuffleBaseline>& shuffle) {
  out.key("shuffle");
  if (!shuffle) return out.null();
  out.begin_object();
  out.member("committee_rate", shuffle->committee_rate);
  for (const auto& [name, figure] : kShuffleFigures) member(out, name, *shuffle.*figure);
  out.end_object();
}

void write(JsonWriter& out, const char* name, const audit::BootstrapSets& found) {
  out.key(name);
  out.begin_object();
  out.member("sets", found.sets);
  out.member("of", found.of);
  out.end_object();
}

void write_bootstrap_sets(JsonWriter& out, const LayerResult& layer) {
  out.key("bootstrap_sets");
  if (layer.bootstrap_committees.of.empty()) return out.null();
  out.begin_object();
  write(out, "committee", layer.bootstrap_committees);
  write(out, "core", layer.bootstrap_cores);
  out.end_object();
}

void write(JsonWriter& out, const LayerResult& layer) {
  const auto at = [](const std::vector<Figure>& figures) {
    return [&figures](size_t i) -> const Figure& { return figures[i]; };
  };
  out.begin_object();
  out.member("layer", layer.layer);
  write(out, layer.verdict);
  out.member("committee", layer.committee);
  out.member("core", layer.core);
  out.member("stable", layer.stable);
  out.member("agreement", layer.agreement);
  write_bootstrap_sets(out, layer);
  out.member("by_fallback", layer.by_fallback);
  out.member("specific_domains", layer.specific_domains);
  out.member("chance", layer.chance);
  out.member("effect", layer.effect);
  out.key("figures");
  out.begin_object();
  for (const auto& [name, figure] : kLayerFigures) member(out, name, layer.*figure);
  out.end_object();
  write(out, layer.shuffle);
  write_columns(out, "silhouette", layer.silhouette.size(), at(layer.silhouette));
  out.member("lorenz", layer.lorenz);
  write_experts(out, layer.experts);
  write_columns(out, "contributions", layer.contributions.size(), at(layer.contributions));
  out.member("ranks", layer.ranks);
  write_pairs(out, layer.pairs);
  out.end_object();
}

void write_domains(JsonWriter& out, const std::vector<audit::Domain>& domains) {
  out.key("domains");
  out.begin_array();
  for (const auto& domain : domains) {
    out.begin_object();
    out.member("name", domain.name);
    out.member("samples", domain.samples);
    out.member("rows", domain.rows);
    out.end_object();
  }
  out.end_array();
}

void write_summaries(JsonWriter& out, const AuditResult& result) {
  out.key("summary");
  out.begin_object();
  for (const auto& [name, summary] : kSummaries) {
    out.key(name);
    out.begin_object();
    for (const auto& [extreme, figure] : kExtremes) member(out, extreme, result.*summary.*figure);
    out.end_object();
  }
  out.end_object();
  out.key("layers_with_committee");
  if (result.layers_with_committee) {
    write(out, *result.layers_with_committee);
  } else {
    out.null();
  }
}

void write_warnings(JsonWriter& out, const std::vector<audit::Warning>& warnings) {
  out.key("warnings");
  out.begin_array();
  for (const auto& warning : warnings) {
    out.begin_object();
    out.member("code", warning.code);
    out.member("message", warning.message);
    out.member("evidence", warning.evidence);
    out.end_object();
  }
  out.end_array();
}

}  // namespace

std::string audit_json(const AuditResult& result) {
  JsonWriter out(kLineDepth);
  out.begin_object();
  out.member("format", kFormat);
  out.member("format_version", kFormatVersion);
  out.member("tool_version", kVersion);
  write(out, result.verdict);
  write(out, result.options);
  out.member("k", result.k);
  out.member("positions", result.positions);
  out.member("vectors", result.vectors);
  write(out, result.model);
  write(out, result.recording);
  out.member("samples", result.samples);
  out.member("rows", result.rows);
  write_domains(out, result.domains);
  out.member("nested", result.nested);
  write_summaries(out, result);
  write_warnings(out, result.warnings);
  out.key("layers");
  out.begin_array();
  for (const auto& layer : result.layers) write(out, layer);
  out.end_array();
  out.end_object();
  return out.text() + "\n";
}

}  // namespace committee::report
