#include "cli/manifest.h"

#include <algorithm>
#include <set>
#include <span>

#include "base/version.h"
#include "trace/fingerprint.h"

namespace committee::cli {
namespace {

// Everything of a sample that its records depend on.
std::string fingerprint_of(const Prompts& prompts) {
  trace::DataFingerprint fingerprint;
  std::string bytes;
  const auto add = [&](const auto& values) {
    const auto raw = std::as_bytes(std::span(values));
    const uint64_t size = raw.size();
    bytes.append(reinterpret_cast<const char*>(&size), sizeof size);
    bytes.append(reinterpret_cast<const char*>(raw.data()), raw.size());
  };
  for (size_t i = 0; i < prompts.sequences.size(); ++i) {
    bytes.clear();
    add(prompts.data.samples[i].id);
    add(prompts.data.samples[i].domain);
    add(prompts.sequences[i].tokens);
    add(prompts.sequences[i].content);
    add(prompts.sequences[i].recorded);
    add(prompts.letters[i]);
    fingerprint.add(bytes);
  }
  return fingerprint.text();
}

trace::ModelInfo model_info(const CaptureFlags& flags, const model::Model& model) {
  const model::ModelConfig& config = model.config();
  trace::ModelInfo info;
  const std::filesystem::path path(flags.model);
  info.name = path.has_filename() ? path.filename().string() : path.parent_path().filename().string();
  info.model_type = config.model_type;
  info.fingerprint = model.fingerprint();
  info.moe_layers = config.moe_layers;
  info.experts = config.router.experts;
  info.top_k = flags.recording.top_k.value_or(config.router.top_k);
  info.shared_experts = config.shared_experts;
  info.router_score = config.router.score == model::RouterScore::kSoftmax ? "softmax" : "sigmoid_normalized";
  info.norm_topk_prob = config.router.normalize_top_k;
  return info;
}

std::vector<std::pair<std::string, std::string>> options_of(const CaptureFlags& flags, bool bf16) {
  std::vector<std::pair<std::string, std::string>> options = {{"template", flags.data.prompt_template},
                                                              {"shots", fmt::format("{}", flags.data.shots)},
                                                              {"compute", bf16 ? "bf16" : "f32"},
                                                              {"seed", fmt::format("{}", flags.seed)},
                                                              {"score", flags.recording.score ? "1" : "0"}};
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) options.emplace_back(name, value);
  };
  add("chat", flags.data.chat);
  add("group-by", flags.data.group_by);
  if (flags.data.limit > 0) add("limit", fmt::format("{}", flags.data.limit));
  if (flags.adaptive.until_stable) add("until-stable", describe(flags.adaptive));
  if (flags.recording.max_tokens > 0) add("max-tokens", fmt::format("{}", flags.recording.max_tokens));
  if (flags.recording.positions == "generated") {
    add("max-new-tokens", fmt::format("{}", flags.recording.max_new_tokens));
  }
  if (flags.recording.top_k) add("top-k", fmt::format("{}", *flags.recording.top_k));
  add("mask", flags.recording.mask);
  if (!flags.recording.mask.empty()) add("mask-mode", flags.recording.mask_mode);
  add("always", flags.recording.always);
  return options;
}

}  // namespace

trace::Manifest manifest_of(const CaptureFlags& flags, const model::Model& model, const Prompts& prompts,
                            bool bf16) {
  trace::Manifest manifest;
  manifest.tool_version = kVersion;
  manifest.model = model_info(flags, model);
  trace::RecordingInfo& recording = manifest.recording;
  recording.dataset = flags.data.data.filename().empty() ? flags.data.data.parent_path().filename().string()
                                                         : flags.data.data.filename().string();
  recording.prompt_template = flags.data.prompt_template;
  recording.positions = flags.recording.positions;
  recording.record = flags.recording.record == "full" ? trace::Record::kFull : trace::Record::kTopK;
  recording.dtype = flags.recording.record_dtype == "f32" ? trace::FloatType::kF32 : trace::FloatType::kF16;
  if (recording.record == trace::Record::kTopK)
    recording.allowed_eci = {"executed", "frequency", "reference"};
  recording.options = options_of(flags, bf16);
  recording.data_fingerprint = fingerprint_of(prompts);
  std::set<std::string> columns;
  for (const auto& sample : prompts.data.samples) {
    for (const auto& [name, value] : sample.columns) columns.insert(name);
  }
  recording.group_columns.assign(columns.begin(), columns.end());
  manifest.domains = prompts.data.domains;
  manifest.samples = static_cast<int64_t>(prompts.sequences.size());
  return manifest;
}

trace::SampleInfo sample_info(const dataset::Sample& sample, const engine::Sequence& sequence) {
  trace::SampleInfo info;
  info.id = sample.id;
  info.domain = sample.domain;
  info.subject = sample.subject;
  info.tokens = static_cast<int64_t>(sequence.tokens.size());
  info.columns = sample.columns;
  info.answer = sample.answer;
  return info;
}

}  // namespace committee::cli
