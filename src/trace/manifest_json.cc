#include "trace/manifest_json.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "trace/folder.h"

namespace committee::trace {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::array<std::string_view, 9> kSampleKeys = {
    "id", "domain", "subject", "tokens", "answer", "answer_logprobs", "argmax_token", "outcome", "columns"};

template <typename T>
struct Name {
  T value;
  const char* name;
};
constexpr std::array<Name<Record>, 2> kRecords = {{{Record::kFull, "full"}, {Record::kTopK, "topk"}}};
constexpr std::array<Name<FloatType>, 2> kDtypes = {{{FloatType::kF32, "f32"}, {FloatType::kF16, "f16"}}};
constexpr std::array<Name<Executed>, 3> kExecuted = {
    {{Executed::kIdsAndWeights, "ids_and_weights"}, {Executed::kIds, "ids"}, {Executed::kNone, "none"}}};

template <typename T, size_t N>
const char* name_of(const std::array<Name<T>, N>& names, T value) {
  return std::find_if(names.begin(), names.end(), [&](const auto& name) { return name.value == value; })
      ->name;
}

template <typename T, size_t N>
T value_of(const std::array<Name<T>, N>& names, const Json& object, const char* key,
           const std::string& file) {
  const auto text = required_field<std::string>(object, key, file);
  for (const auto& [value, name] : names) {
    if (text == name) return value;
  }
  throw Error("{}: \"{}\" is \"{}\", which no trace has", file, key, text);
}

const Json& required_child(const Json& object, const char* key, const std::string& file) {
  if (!object.is_object() || !object.contains(key)) throw Error("{}: \"{}\" is missing", file, key);
  return object.at(key);
}

const Json& array_at(const Json& object, const char* key, const std::string& file) {
  const Json& value = required_child(object, key, file);
  if (!value.is_array()) throw Error("{}: \"{}\" must be an array, found {}", file, key, value.type_name());
  return value;
}

std::vector<std::string> strings_at(const Json& object, const char* key, const std::string& file) {
  std::vector<std::string> strings;
  for (const auto& item : array_at(object, key, file)) {
    if (!item.is_string()) throw Error("{}: \"{}\" must hold strings, found {}", file, key, item.type_name());
    strings.push_back(item.get<std::string>());
  }
  return strings;
}

int64_t count_at(const Json& object, const char* key, const std::string& file) {
  const auto count = required_field<int64_t>(object, key, file);
  if (count < 0) throw Error("{}: \"{}\" must not be negative, found {}", file, key, count);
  return count;
}

std::string dump(const OrderedJson& json, int indent, std::string_view what) {
  try {
    return json.dump(indent);
  } catch (const OrderedJson::exception&) {
    throw Error("{}: text that is not valid UTF-8 cannot be written", what);
  }
}

OrderedJson options_json(const RecordingInfo& recording) {
  auto options = recording.options;
  std::sort(options.begin(), options.end());
  OrderedJson json = OrderedJson::object();
  for (const auto& [name, value] : options) json[name] = value;
  return json;
}

OrderedJson stability_json(const std::vector<StabilityPoint>& curve) {
  OrderedJson json = OrderedJson::array();
  for (const auto& point : curve) {
    json.push_back(
        {{"samples", point.samples}, {"stable_layers", point.stable_layers}, {"agreement", point.agreement}});
  }
  return json;
}

std::vector<StabilityPoint> parse_stability(const Json& how, const std::string& file) {
  std::vector<StabilityPoint> curve;
  if (!how.contains("stability")) return curve;
  for (const auto& point : array_at(how, "stability", file)) {
    curve.push_back({.samples = count_at(point, "samples", file),
                     .stable_layers = required_field<double>(point, "stable_layers", file),
                     .agreement = required_field<double>(point, "agreement", file)});
  }
  return curve;
}

ModelInfo parse_model(const Json& json, const std::string& file) {
  ModelInfo model;
  model.name = optional_field<std::string>(json, "name", file).value_or("");
  model.model_type = optional_field<std::string>(json, "model_type", file).value_or("");
  model.fingerprint = optional_field<std::string>(json, "fingerprint", file).value_or("");
  for (const auto& id : array_at(json, "moe_layers", file)) {
    if (!id.is_number_integer()) throw Error("{}: \"moe_layers\" must hold integers", file);
    const auto value = id.get<int64_t>();
    if (value < 0 || value > 1'000'000) throw Error("{}: \"moe_layers\" holds {}, no layer id", file, value);
    model.moe_layers.push_back(static_cast<int>(value));
  }
  model.experts = required_field<int>(json, "experts", file);
  model.top_k = required_field<int>(json, "top_k", file);
  model.shared_experts = optional_field<int>(json, "shared_experts", file).value_or(0);
  model.router_score = required_field<std::string>(json, "router_score", file);
  model.norm_topk_prob = optional_field<bool>(json, "norm_topk_prob", file).value_or(false);
  check_model(model, file);
  return model;
}

ShardInfo parse_shard(const Json& json, const std::string& file) {
  ShardInfo shard{.file = required_field<std::string>(json, "file", file),
                  .rows = count_at(json, "rows", file),
                  .bytes = count_at(json, "bytes", file),
                  .checksum = required_field<std::string>(json, "checksum", file),
                  .samples = count_at(json, "samples", file)};
  if (!is_trace_file(shard.file) || !shard.file.ends_with(".safetensors")) {
    throw Error("{}: \"{}\" is not the name of a shard (records-NNNNN.safetensors)", file, shard.file);
  }
  return shard;
}

std::vector<double> parse_logprobs(const Json& line, const std::string& where) {
  std::vector<double> values;
  if (!line.contains("answer_logprobs") || line["answer_logprobs"].is_null()) return values;
  for (const auto& value : array_at(line, "answer_logprobs", where)) {
    if (!value.is_number()) throw Error("{}: \"answer_logprobs\" must hold numbers", where);
    values.push_back(value.get<double>());
  }
  return values;
}

std::string describe(const std::vector<int>& layers) { return fmt::format("{}", fmt::join(layers, " ")); }

}  // namespace

void check_model(const ModelInfo& model, const std::string& file) {
  if (model.moe_layers.empty()) throw Error("{}: \"moe_layers\" is empty", file);
  for (size_t i = 1; i < model.moe_layers.size(); ++i) {
    if (model.moe_layers[i] <= model.moe_layers[i - 1]) throw Error("{}: \"moe_layers\" must ascend", file);
  }
  if (model.experts < 1 || model.experts > 65535) {
    throw Error("{}: \"experts\" must be in 1..65535, found {}", file, model.experts);
  }
  if (model.top_k < 1 || model.top_k > model.experts) {
    throw Error("{}: \"top_k\" must be in 1..{} (the experts), found {}", file, model.experts, model.top_k);
  }
  if (model.shared_experts < 0) throw Error("{}: \"shared_experts\" must not be negative", file);
}

std::string manifest_text(const Manifest& manifest) {
  const auto& [model, recording] = std::tie(manifest.model, manifest.recording);
  OrderedJson json;
  json["format_version"] = kFormatVersion;
  json["tool_version"] = manifest.tool_version;
  json["complete"] = manifest.complete;
  json["samples"] = manifest.samples;
  json["model"] = {{"name", model.name},
                   {"model_type", model.model_type},
                   {"fingerprint", model.fingerprint},
                   {"moe_layers", model.moe_layers},
                   {"experts", model.experts},
                   {"top_k", model.top_k},
                   {"shared_experts", model.shared_experts},
                   {"router_score", model.router_score},
                   {"norm_topk_prob", model.norm_topk_prob}};
  json["data"] = {{"name", recording.dataset},
                  {"template", recording.prompt_template},
                  {"fingerprint", recording.data_fingerprint},
                  {"group_columns", recording.group_columns},
                  {"domains", manifest.domains}};
  json["recording"] = {{"source", recording.source},
                       {"positions", recording.positions},
                       {"record", name_of(kRecords, recording.record)},
                       {"dtype", name_of(kDtypes, recording.dtype)},
                       {"sample_rows_bound", recording.sample_rows_bound},
                       {"executed", name_of(kExecuted, recording.executed)},
                       {"allowed_eci", recording.allowed_eci},
                       {"options", options_json(recording)}};
  if (!recording.stability.empty()) json["recording"]["stability"] = stability_json(recording.stability);
  json["shards"] = OrderedJson::array();
  for (const auto& shard : manifest.shards) {
    json["shards"].push_back({{"file", shard.file},
                              {"rows", shard.rows},
                              {"samples", shard.samples},
                              {"bytes", shard.bytes},
                              {"checksum", shard.checksum}});
  }
  return dump(json, 1, kManifestFile) + "\n";
}

Manifest parse_manifest(const Json& json, const std::string& file) {
  Manifest manifest;
  const auto version = required_field<int>(json, "format_version", file);
  if (version != kFormatVersion) {
    throw Error("{}: format version {}; this program reads version {}", file, version, kFormatVersion);
  }
  manifest.tool_version = required_field<std::string>(json, "tool_version", file);
  manifest.complete = required_field<bool>(json, "complete", file);
  manifest.samples = count_at(json, "samples", file);
  manifest.model = parse_model(required_child(json, "model", file), file);
  const Json& data = required_child(json, "data", file);
  const Json& how = required_child(json, "recording", file);
  auto& recording = manifest.recording;
  recording.dataset = optional_field<std::string>(data, "name", file).value_or("");
  recording.prompt_template = optional_field<std::string>(data, "template", file).value_or("");
  recording.data_fingerprint = optional_field<std::string>(data, "fingerprint", file).value_or("");
  recording.group_columns = strings_at(data, "group_columns", file);
  manifest.domains = strings_at(data, "domains", file);
  recording.source = required_field<std::string>(how, "source", file);
  recording.positions = required_field<std::string>(how, "positions", file);
  recording.record = value_of(kRecords, how, "record", file);
  recording.dtype = value_of(kDtypes, how, "dtype", file);
  recording.sample_rows_bound = required_field<int>(how, "sample_rows_bound", file);
  recording.executed = value_of(kExecuted, how, "executed", file);
  recording.allowed_eci = strings_at(how, "allowed_eci", file);
  const Json& options = required_child(how, "options", file);
  if (!options.is_object()) throw Error("{}: \"options\" must be an object", file);
  for (const auto& [name, value] : options.items()) {
    recording.options.emplace_back(name, required_field<std::string>(options, name.c_str(), file));
  }
  recording.stability = parse_stability(how, file);
  for (const auto& shard : array_at(json, "shards", file))
    manifest.shards.push_back(parse_shard(shard, file));
  if (recording.record == Record::kTopK && recording.executed == Executed::kNone) {
    throw Error("{}: records hold neither distributions nor executed experts", file);
  }
  return manifest;
}

std::string sample_line(const SampleInfo& sample) {
  const auto where = [&] { return fmt::format("sample \"{}\"", sample.id); };
  OrderedJson json;
  json["id"] = sample.id;
  json["domain"] = sample.domain;
  if (!sample.subject.empty()) json["subject"] = sample.subject;
  if (sample.tokens > 0) {
    json["tokens"] = sample.tokens;
  } else {
    json["tokens"] = nullptr;
  }
  OrderedJson clashing = OrderedJson::object();
  for (const auto& [name, value] : sample.columns) {
    const bool clash = std::find(kSampleKeys.begin(), kSampleKeys.end(), name) != kSampleKeys.end();
    (clash ? clashing : json)[name] = value;
  }
  if (!clashing.empty()) json["columns"] = std::move(clashing);
  if (sample.answer) json["answer"] = *sample.answer;
  if (!sample.answer_logprobs.empty()) {
    for (const double value : sample.answer_logprobs) {
      if (!std::isfinite(value)) throw Error("{}: a log-probability is not finite", where());
    }
    json["answer_logprobs"] = sample.answer_logprobs;
  }
  if (sample.argmax_token) json["argmax_token"] = *sample.argmax_token;
  if (!sample.outcome.empty()) json["outcome"] = sample.outcome;
  return dump(json, -1, where());
}

SampleInfo parse_sample(std::string_view line, const std::string& where) {
  const Json json = parse_json(line, where);
  SampleInfo sample;
  sample.id = required_field<std::string>(json, "id", where);
  sample.domain = required_field<std::string>(json, "domain", where);
  sample.subject = optional_field<std::string>(json, "subject", where).value_or("");
  sample.tokens = optional_field<int64_t>(json, "tokens", where).value_or(0);
  if (sample.tokens < 0) throw Error("{}: \"tokens\" must not be negative", where);
  sample.answer = optional_field<int>(json, "answer", where);
  sample.answer_logprobs = parse_logprobs(json, where);
  sample.argmax_token = optional_field<int>(json, "argmax_token", where);
  sample.outcome = optional_field<std::string>(json, "outcome", where).value_or("");
  const auto add_column = [&](const Json& object, const std::string& name) {
    if (auto value = optional_field<std::string>(object, name.c_str(), where)) {
      sample.columns.emplace_back(name, *std::move(value));
    }
  };
  for (const auto& [name, value] : json.items()) {
    if (std::find(kSampleKeys.begin(), kSampleKeys.end(), name) == kSampleKeys.end()) add_column(json, name);
  }
  if (json.contains("columns")) {
    const Json& clashing = json["columns"];
    if (!clashing.is_object()) throw Error("{}: \"columns\" must be an object", where);
    for (const auto& [name, value] : clashing.items()) add_column(clashing, name);
  }
  return sample;
}

std::string difference(const Manifest& found, const Manifest& wanted) {
  const auto& [old_model, model] = std::tie(found.model, wanted.model);
  const auto& [before, now] = std::tie(found.recording, wanted.recording);
  const auto flag = [](bool value) { return std::string(value ? "yes" : "no"); };
  const std::array<std::array<std::string, 3>, 19> pairs = {{
      {"tool version", found.tool_version, wanted.tool_version},
      {"model", old_model.name, model.name},
      {"model type", old_model.model_type, model.model_type},
      {"model's fingerprint", old_model.fingerprint, model.fingerprint},
      {"MoE layers", describe(old_model.moe_layers), describe(model.moe_layers)},
      {"number of experts", std::to_string(old_model.experts), std::to_string(model.experts)},
      {"top k", std::to_string(old_model.top_k), std::to_string(model.top_k)},
      {"number of shared experts", std::to_string(old_model.shared_experts),
       std::to_string(model.shared_experts)},
      {"router score", old_model.router_score, model.router_score},
      {"normalisation of top-k weights", flag(old_model.norm_topk_prob), flag(model.norm_topk_prob)},
      {"data set", before.dataset, now.dataset},
      {"prompt template", before.prompt_template, now.prompt_template},
      {"recorded positions", before.positions, now.positions},
      {"record", name_of(kRecords, before.record), name_of(kRecords, now.record)},
      {"record's dtype", name_of(kDtypes, before.dtype), name_of(kDtypes, now.dtype)},
      {"recorded executed sets", name_of(kExecuted, before.executed), name_of(kExecuted, now.executed)},
      {"bound on a sample's rows", std::to_string(before.sample_rows_bound),
       std::to_string(now.sample_rows_bound)},
      {"source", before.source, now.source},
      {"eci kinds", fmt::format("{}", fmt::join(before.allowed_eci, " ")),
       fmt::format("{}", fmt::join(now.allowed_eci, " "))},
  }};
  for (const auto& [what, old_value, value] : pairs) {
    if (old_value != value) return fmt::format("the {} was \"{}\" and is now \"{}\"", what, old_value, value);
  }
  const auto old_options = options_json(before), options = options_json(now);
  for (const auto& [name, value] : options.items()) {
    const std::string text = old_options.contains(name) ? old_options[name].get<std::string>() : "not set";
    if (text != value.get<std::string>()) {
      return fmt::format("the option {} was \"{}\" and is now \"{}\"", name, text, value.get<std::string>());
    }
  }
  for (const auto& [name, value] : old_options.items()) {
    if (!options.contains(name)) {
      return fmt::format("the option {} was \"{}\" and is now not set", name, value.get<std::string>());
    }
  }
  // Last: whatever above shapes the prompts shows here too.
  if (before.data_fingerprint != now.data_fingerprint) {
    return fmt::format("the data's fingerprint was \"{}\" and is now \"{}\"", before.data_fingerprint,
                       now.data_fingerprint);
  }
  return "";
}

}  // namespace committee::trace
