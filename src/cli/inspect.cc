#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/json_output.h"
#include "cli/parse.h"
#include "model/summary.h"
#include "model/weights.h"
#include "report/audit_files.h"
#include "trace/reader.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;

// What is shown: for people a line each, for programs one JSON object.
struct Item {
  std::string name, shown;
  Json value;
};
using Items = std::vector<Item>;

std::string count(uint64_t n) {
  if (n >= 1'000'000'000) return fmt::format("{:.2f} G", static_cast<double>(n) / 1e9);
  if (n >= 1'000'000) return fmt::format("{:.2f} M", static_cast<double>(n) / 1e6);
  return fmt::format("{}", n);
}

// "0-3, 5, 8-10"
std::string ranges(const std::vector<int>& ids) {
  std::string text;
  for (size_t i = 0; i < ids.size();) {
    size_t j = i;
    while (j + 1 < ids.size() && ids[j + 1] == ids[j] + 1) ++j;
    if (!text.empty()) text += ", ";
    text += i == j ? fmt::format("{}", ids[i]) : fmt::format("{}-{}", ids[i], ids[j]);
    i = j + 1;
  }
  return text;
}

Items describe_model(const fs::path& path) {
  const model::ModelSummary summary = model::summarise(path);
  const model::ModelConfig& config = summary.config;
  const auto& router = config.router;
  std::vector<int> dense;
  for (int layer = 0; layer < config.layers; ++layer) {
    if (!config.is_moe(layer)) dense.push_back(layer);
  }
  Items items = {
      {"family", config.model_type, config.model_type},
      {"layers", fmt::format("{} of width {}", config.layers, config.d_model), config.layers},
      {"moe_layers", fmt::format("{} (layers {})", config.moe_layers.size(), ranges(config.moe_layers)),
       config.moe_layers},
      {"dense_layers",
       dense.empty()
           ? "none"
           : fmt::format("{} (layers {}, width {})", dense.size(), ranges(dense), config.dense_width),
       dense},
      {"experts", fmt::format("{} of width {} a layer", router.experts, config.expert_width), router.experts},
      {"top_k", fmt::format("{} experts a token", router.top_k), router.top_k},
      {"shared_experts",
       config.shared_width == 0 ? "none"
                                : fmt::format("{} (width {})", config.shared_experts, config.shared_width),
       config.shared_experts},
      {"router", summary.router, summary.router},
      {"attention", summary.attention, summary.attention},
      {"vocabulary", fmt::format("{}{}", config.vocab, config.tied_embeddings ? ", embeddings tied" : ""),
       config.vocab},
      {"max_positions", fmt::format("{}", config.max_positions), config.max_positions},
      {"parameters", count(summary.parameters.total), summary.parameters.total},
      {"active_parameters", count(summary.parameters.active) + " a token", summary.parameters.active},
      {"weight_bytes", human_bytes(summary.weight_bytes), summary.weight_bytes},
      {"file_bytes", summary.file_bytes ? human_bytes(*summary.file_bytes) : "no weights here",
       summary.file_bytes ? Json(*summary.file_bytes) : Json()},
      {"memory_for_a_pass",
       fmt::format("{} for {} tokens", human_bytes(summary.pass_bytes), summary.pass_tokens),
       summary.pass_bytes}};
  return items;
}

Items describe_trace(const fs::path& path) {
  const auto trace = trace::Trace::open(path);
  const trace::Manifest& manifest = trace.manifest();
  const trace::ModelInfo& model = manifest.model;
  std::map<std::string, int64_t> samples_of;
  int64_t tokens = 0, bytes = 0;
  for (const auto& sample : trace.samples()) {
    ++samples_of[sample.domain];
    tokens += sample.tokens;
  }
  for (const auto& shard : manifest.shards) bytes += shard.bytes;
  std::vector<std::string> domains;
  for (const auto& [name, n] : samples_of) domains.push_back(fmt::format("{} ({})", name, n));
  const std::string record = manifest.recording.record == trace::Record::kFull ? "full" : "topk";
  return {{"model", fmt::format("{} ({})", model.name, model.model_type), model.name},
          {"moe_layers", fmt::format("{} (layers {})", model.moe_layers.size(), ranges(model.moe_layers)),
           model.moe_layers},
          {"experts", fmt::format("{}", model.experts), model.experts},
          {"top_k", fmt::format("{}", model.top_k), model.top_k},
          {"source", manifest.recording.source, manifest.recording.source},
          {"dataset", manifest.recording.dataset, manifest.recording.dataset},
          {"positions", manifest.recording.positions, manifest.recording.positions},
          {"record", record, record},
          {"eci", fmt::format("{}", fmt::join(manifest.recording.allowed_eci, ", ")),
           manifest.recording.allowed_eci},
          {"samples", fmt::format("{}", manifest.samples), manifest.samples},
          {"tokens", fmt::format("{}", tokens), tokens},
          {"rows", fmt::format("{}", trace.rows()), trace.rows()},
          {"shards", fmt::format("{} ({})", trace.shards(), human_bytes(static_cast<uint64_t>(bytes))),
           trace.shards()},
          {"domains", fmt::format("{}", fmt::join(domains, ", ")), samples_of}};
}

Items describe_audit(const fs::path& path) {
  const audit::AuditResult result = report::read_audit(path);
  std::vector<std::string> domains;
  for (const auto& domain : result.domains)
    domains.push_back(fmt::format("{} ({})", domain.name, domain.samples));
  std::vector<std::string> codes;
  for (const auto& warning : result.warnings) codes.push_back(warning.code);
  int with_committee = 0;
  for (const auto& layer : result.layers) with_committee += !layer.committee.empty();
  return {{"model", fmt::format("{} ({})", result.model.name, result.model.model_type), result.model.name},
          {"eci", audit::name_of(result.options.eci), audit::name_of(result.options.eci)},
          {"k", fmt::format("{} of {} experts", result.k, result.model.experts), result.k},
          {"gamma", fmt::format("{}", result.options.gamma), result.options.gamma},
          {"positions", result.positions, result.positions},
          {"samples", fmt::format("{}", result.samples), result.samples},
          {"domains", fmt::format("{}", fmt::join(domains, ", ")), domains},
          {"layers", fmt::format("{}, {} with a committee", result.layers.size(), with_committee),
           result.layers.size()},
          {"verdict", result.verdict.reason, result.verdict.reason},
          {"warnings", codes.empty() ? "none" : fmt::format("{}", fmt::join(codes, ", ")), codes}};
}

Items describe(const std::string& what) {
  const fs::path path(what);
  const auto holds = [&](const char* file) { return path.filename() == file || fs::exists(path / file); };
  if (holds("trace.json")) return describe_trace(path.filename() == "trace.json" ? path.parent_path() : path);
  if (holds("audit.json")) return describe_audit(path);
  if (fs::is_regular_file(path)) return describe_model(path);
  return describe_model(model::find_model(what));
}

void inspect(const std::string& what, bool json) {
  const Items items = describe(what);
  if (json) {
    OrderedJson object = json_head("inspect");
    for (const auto& item : items) object[item.name] = item.value;
    print_json(object);
    return;
  }
  for (const auto& item : items) {
    std::string name = item.name;
    std::replace(name.begin(), name.end(), '_', ' ');
    fmt::print("{:<20}{}\n", name, item.shown);
  }
}

}  // namespace

void add_inspect(CLI::App& app, Job& job) {
  struct Flags {
    std::string what;
    TerminalFlags terminal;
  };
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("inspect", "Show what a model, a trace or an audit is");
  command->add_option("MODEL|TRACE|AUDIT", flags->what, "Folder, config.json, or hub id in the local cache")
      ->required();
  add_json_flag(*command, flags->terminal);
  command->callback([flags, &job] { job = [flags] { inspect(flags->what, flags->terminal.json); }; });
}

}  // namespace committee::cli
