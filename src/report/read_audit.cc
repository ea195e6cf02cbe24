#include <algorithm>
#include <limits>
#include <utility>

#include "base/mapped_file.h"
#include "report/audit_files.h"
#include "report/audit_schema.h"
#include "report/json_node.h"

namespace committee::report {

namespace {

using audit::AuditResult;
using audit::Figure;
using audit::LayerResult;

constexpr int64_t kAny = std::numeric_limits<int64_t>::max();
constexpr int kMaxExperts = 1 << 20;
constexpr int kAnyInt = std::numeric_limits<int>::max();

// What the tables of a layer are measured by.
struct Shape {
  size_t domains, experts;
  int k;
};

Figure figure_from(const JsonNode& node) {
  Figure figure;
  figure.value = node.at("value").number_or_null();
  if (const auto floor = node.maybe("floor")) figure.floor = floor->number();
  if (const auto permuted = node.maybe("permuted")) {
    figure.permuted = {permuted->at("mean").number(), permuted->at("low").number(),
                       permuted->at("high").number(), permuted->at("p_value").number(),
                       permuted->at("tail").choice(kTails)};
  }
  if (const auto bootstrap = node.maybe("bootstrap")) {
    figure.bootstrap = {bootstrap->at("low").number(), bootstrap->at("high").number()};
  }
  return figure;
}

// The inverse of write_columns(): set(i, figure) for each of `count` figures.
template <typename Set>
void read_columns(const JsonNode& node, size_t count, Set set) {
  const auto value = node.at("value").numbers(count);
  const auto column = [&](const char* part) {
    const auto found = node.maybe(part);
    return found ? found->numbers(count) : std::vector<std::optional<double>>(count);
  };
  const auto floor = column("floor"), mean = column("permuted_mean"), permuted_low = column("permuted_low"),
             permuted_high = column("permuted_high"), p_value = column("p_value"), low = column("low"),
             high = column("high");
  const auto tail = node.maybe("tail");
  const auto tail_value = tail ? tail->choice(kTails) : audit::Tail::kUpper;
  for (size_t i = 0; i < count; ++i) {
    Figure figure{value[i], floor[i], std::nullopt, std::nullopt};
    if (mean[i]) {
      if (!permuted_low[i] || !permuted_high[i] || !p_value[i])
        node.fail("has permuted columns that disagree");
      figure.permuted = {*mean[i], *permuted_low[i], *permuted_high[i], *p_value[i], tail_value};
    }
    if (low[i].has_value() != high[i].has_value()) node.fail("has intervals with one end");
    if (low[i]) figure.bootstrap = {*low[i], *high[i]};
    set(i, figure);
  }
}

std::vector<Figure> figures_from(const JsonNode& node, size_t count) {
  std::vector<Figure> figures(count);
  read_columns(node, count, [&](size_t i, const Figure& figure) { figures[i] = figure; });
  return figures;
}

audit::VerdictText verdict_from(const JsonNode& node) {
  return {node.at("verdict").choice(kVerdicts), node.at("reason").text()};
}

std::vector<std::pair<std::string, std::string>> pairs_from(const JsonNode& node) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (size_t i = 0, count = node.size(); i < count; ++i) {
    node.at(i).expect_size(2);
    pairs.emplace_back(node.at(i).at(size_t{0}).text(), node.at(i).at(size_t{1}).text());
  }
  return pairs;
}

audit::AuditOptions options_from(const JsonNode& node) {
  audit::AuditOptions options;
  options.eci = node.at("eci").choice(kEcis);
  if (const auto k = node.maybe("k")) options.k = k->small(1, kAnyInt);
  options.gamma = node.at("gamma").number();
  options.fallback = node.at("fallback").choice(kFallbacks);
  options.min_specificity = node.at("min_specificity").number_or_null();
  options.positions = node.at("positions").choice(kPositions);
  options.group_by = node.at("group_by").text();
  const JsonNode map = node.at("domain_of");
  for (const auto& [subject, domain] : map.object().items()) {
    options.domain_of[subject] = map.at(subject).text();
  }
  options.nested = node.at("nested").text();
  options.bootstrap = node.at("bootstrap").small(0, kAnyInt);
  options.permutations = node.at("permutations").small(0, kAnyInt);
  options.expert_shuffles = node.at("expert_shuffles").small(0, kAnyInt);
  options.silhouette_replicates = node.at("silhouette_replicates").small(0, kAnyInt);
  options.seed = node.at("seed").natural();
  options.threads = node.at("threads").small(0, kAnyInt);
  options.memory = node.at("memory").integer(0, kAny);
  return options;
}

trace::ModelInfo model_from(const JsonNode& node) {
  trace::ModelInfo model;
  model.name = node.at("name").text();
  model.model_type = node.at("model_type").text();
  model.fingerprint = node.at("fingerprint").text();
  model.moe_layers = node.at("moe_layers").integers(0, kAnyInt);
  model.experts = node.at("experts").small(1, kMaxExperts);
  model.top_k = node.at("top_k").small(0, model.experts);
  model.shared_experts = node.at("shared_experts").small(0, kAnyInt);
  model.router_score = node.at("router_score").text();
  model.norm_topk_prob = node.at("norm_topk_prob").truth();
  return model;
}

trace::RecordingInfo recording_from(const JsonNode& node) {
  trace::RecordingInfo recording;
  recording.source = node.at("source").text();
  recording.dataset = node.at("dataset").text();
  recording.prompt_template = node.at("template").text();
  recording.positions = node.at("positions").text();
  recording.record = node.at("record").choice(kRecords);
  recording.dtype = node.at("dtype").choice(kFloatTypes);
  recording.executed = node.at("executed").choice(kExecuted);
  recording.allowed_eci = node.at("allowed_eci").texts();
  recording.group_columns = node.at("group_columns").texts();
  recording.data_fingerprint = node.at("data_fingerprint").text();
  recording.options = pairs_from(node.at("options"));
  if (const auto curve = node.maybe("stability")) {
    for (size_t i = 0; i < curve->size(); ++i) {
      const JsonNode point = curve->at(i);
      recording.stability.push_back({point.at("samples").integer(0, kAny), point.at("stable_layers").number(),
                                     point.at("agreement").number()});
    }
  }
  return recording;
}

void read_experts(const JsonNode& node, std::vector<audit::ExpertFigures>& experts) {
  for (const auto& column : kExpertFigures) {
    read_columns(node.at(column.name), experts.size(),
                 [&](size_t i, const Figure& figure) { experts[i].*column.figure = figure; });
  }
  const auto plain = [&](const char* name, auto read) {
    const JsonNode items = node.at(name);
    items.expect_size(experts.size());
    for (size_t i = 0; i < experts.size(); ++i) read(experts[i], items.at(i));
  };
  using audit::ExpertFigures;
  plain("candidate", [](ExpertFigures& expert, const JsonNode& item) { expert.candidate = item.truth(); });
  plain("in_committee",
        [](ExpertFigures& expert, const JsonNode& item) { expert.in_committee = item.truth(); });
  plain("inclusion", [](ExpertFigures& e, const JsonNode& item) { e.inclusion = item.number_or_null(); });
  plain("core_inclusion",
        [](ExpertFigures& e, const JsonNode& item) { e.core_inclusion = item.number_or_null(); });
}

std::vector<audit::DomainPair> domain_pairs_from(const JsonNode& node, size_t domains) {
  const int last = static_cast<int>(domains) - 1;
  const auto a = node.at("a").integers(0, last), b = node.at("b").integers(0, last);
  node.at("b").expect_size(a.size());
  std::vector<audit::DomainPair> pairs(a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    pairs[i].a = a[i];
    pairs[i].b = b[i];
    const bool ascending = i == 0 || std::pair(a[i - 1], b[i - 1]) < std::pair(a[i], b[i]);
    if (a[i] >= b[i] || !ascending) node.fail("must have each pair of domains once, in ascending order");
  }
  read_columns(node.at("jaccard"), pairs.size(),
               [&](size_t i, const Figure& figure) { pairs[i].jaccard = figure; });
  return pairs;
}

// Ids of a set, each at most once.
std::vector<int> set_from(const JsonNode& node, size_t below) {
  auto ids = node.integers(0, static_cast<int>(below) - 1);
  auto sorted = ids;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) node.fail("has an id twice");
  return ids;
}

audit::BootstrapSets sets_from(const JsonNode& node, size_t experts) {
  audit::BootstrapSets found;
  const JsonNode sets = node.at("sets");
  for (size_t i = 0, count = sets.size(); i < count; ++i) found.sets.push_back(set_from(sets.at(i), experts));
  found.of = node.at("of").integers(0, static_cast<int>(found.sets.size()) - 1);
  return found;
}

std::optional<audit::ShuffleBaseline> shuffle_from(const std::optional<JsonNode>& node) {
  if (!node) return std::nullopt;
  audit::ShuffleBaseline shuffle;
  shuffle.committee_rate = node->at("committee_rate").number();
  for (const auto& [name, figure] : kShuffleFigures) shuffle.*figure = figure_from(node->at(name));
  return shuffle;
}

LayerResult layer_from(const JsonNode& node, const Shape& shape) {
  LayerResult layer;
  layer.layer = node.at("layer").small(0, kAnyInt);
  layer.verdict = verdict_from(node.at("verdict"));
  layer.committee = set_from(node.at("committee"), shape.experts);
  layer.core = set_from(node.at("core"), shape.experts);
  if (const auto stable = node.maybe("stable")) layer.stable = set_from(*stable, shape.experts);
  layer.agreement = node.at("agreement").number_or_null();
  if (const auto found = node.maybe("bootstrap_sets")) {
    layer.bootstrap_committees = sets_from(found->at("committee"), shape.experts);
    layer.bootstrap_cores = sets_from(found->at("core"), shape.experts);
  }
  layer.by_fallback = node.at("by_fallback").truth();
  layer.specific_domains = set_from(node.at("specific_domains"), shape.domains);
  layer.chance = node.at("chance").number_or_null();
  layer.effect = node.at("effect").number_or_null();
  const JsonNode figures = node.at("figures");
  for (const auto& [name, figure] : kLayerFigures) layer.*figure = figure_from(figures.at(name));
  layer.shuffle = shuffle_from(node.maybe("shuffle"));
  layer.silhouette = figures_from(node.at("silhouette"), shape.domains);

  const JsonNode lorenz = node.at("lorenz");
  const bool no_curve = lorenz.size() == 0;
  for (const auto& point : lorenz.numbers(no_curve ? 0 : shape.experts + 1)) {
    if (!point) lorenz.fail("must have numbers only");
    layer.lorenz.push_back(*point);
  }
  // The arrays of the file bound what is reserved here, not the numbers in it.
  node.at("experts").at("candidate").expect_size(shape.experts);
  layer.experts.resize(shape.experts);
  read_experts(node.at("experts"), layer.experts);
  const JsonNode contributions = node.at("contributions");
  contributions.at("value").expect_size(shape.domains * shape.experts);
  layer.contributions = figures_from(contributions, shape.domains * shape.experts);
  layer.ranks = node.at("ranks").integers(1, shape.k + 1);
  node.at("ranks").expect_size(shape.domains * shape.experts);
  layer.pairs = domain_pairs_from(node.at("pairs"), shape.domains);
  return layer;
}

void read_domains(const JsonNode& node, AuditResult& result) {
  for (size_t i = 0, count = node.size(); i < count; ++i) {
    const JsonNode domain = node.at(i);
    result.domains.push_back({domain.at("name").text(), domain.at("samples").integer(0, kAny),
                              domain.at("rows").integer(0, kAny)});
  }
}

void read_summaries(const JsonNode& root, AuditResult& result) {
  const JsonNode summaries = root.at("summary");
  for (const auto& [name, summary] : kSummaries) {
    const auto node = summaries.maybe(name);
    if (!node) continue;  // an older audit has fewer
    for (const auto& [extreme, figure] : kExtremes) result.*summary.*figure = figure_from(node->at(extreme));
  }
  if (const auto share = root.maybe("layers_with_committee"))
    result.layers_with_committee = figure_from(*share);
}

void read_warnings(const JsonNode& node, AuditResult& result) {
  for (size_t i = 0, count = node.size(); i < count; ++i) {
    const JsonNode warning = node.at(i);
    result.warnings.push_back(
        {warning.at("code").text(), warning.at("message").text(), warning.at("evidence").object()});
  }
}

void read_layers(const JsonNode& node, AuditResult& result) {
  const Shape shape{result.domains.size(), static_cast<size_t>(result.model.experts), result.k};
  for (size_t i = 0, count = node.size(); i < count; ++i) {
    result.layers.push_back(layer_from(node.at(i), shape));
    if (i > 0 && result.layers[i].layer <= result.layers[i - 1].layer) {
      node.fail("must be in ascending order of their ids");
    }
  }
}

}  // namespace

AuditResult parse_audit(std::string_view text, const std::string& file) {
  const Json json = parse_json(text, file);
  const JsonNode root(json, "", file);
  if (!json.is_object() || !root.maybe("format") || root.at("format").text() != kFormat) {
    throw Error("{}: is not an audit: \"format\" must be \"{}\"", file, kFormat);
  }
  root.at("format_version").small(1, kFormatVersion);
  AuditResult result;
  result.verdict = verdict_from(root.at("verdict"));
  result.options = options_from(root.at("options"));
  result.model = model_from(root.at("model"));
  result.k = root.at("k").small(1, result.model.experts);
  result.positions = root.at("positions").text();
  result.vectors = root.at("vectors").text();
  result.recording = recording_from(root.at("recording"));
  result.samples = root.at("samples").integer(0, kAny);
  result.rows = root.at("rows").integer(0, kAny);
  read_domains(root.at("domains"), result);
  result.nested = root.at("nested").texts();
  read_summaries(root, result);
  read_warnings(root.at("warnings"), result);
  read_layers(root.at("layers"), result);
  return result;
}

AuditResult read_audit(const std::filesystem::path& path) {
  const auto file = std::filesystem::is_directory(path) ? path / "audit.json" : path;
  if (!std::filesystem::exists(file)) {
    throw Error("{}: holds no audit: audit.json is missing", path.string());
  }
  const MappedFile mapped(file);
  return parse_audit(mapped.text(), file.string());
}

}  // namespace committee::report
