#include "cli/setup.h"

#include "base/error.h"
#include "cli/parse.h"
#include "cli/progress.h"
#include "engine/chunks.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using tokenizer::Tokenizer;

engine::Compute chosen_compute(const std::string& name) {
  if (name == "f32") return engine::Compute::kF32;
  if (name == "bf16") return engine::Compute::kBF16;
  return engine::best_compute();
}

engine::RoutingPolicy policy_of(const RecordingFlags& flags, const model::ModelConfig& config) {
  engine::RoutingPolicy policy;
  policy.top_k = flags.top_k;
  if (!flags.mask.empty()) policy.masked = parse_expert_sets(flags.mask);
  if (flags.mask_mode == "drop") policy.mask_mode = engine::MaskMode::kDrop;
  if (!flags.always.empty()) policy.always = parse_expert_sets(flags.always);
  engine::validate(policy, config);
  return policy;
}

std::optional<Tokenizer> load_tokenizer(const fs::path& folder) {
  if (!fs::exists(folder / "tokenizer.json")) return std::nullopt;
  return Tokenizer::load(folder);
}

}  // namespace

Setup::Setup(const CaptureFlags& capture_flags, int processes_here)
    : flags(capture_flags),
      model(model::Model::open(model::find_model(flags.model))),
      policy(policy_of(flags.recording, model.config())),
      tokenizer(load_tokenizer(model.folder())),
      compute(chosen_compute(flags.recording.compute)),
      processes(processes_here) {
  DataFlags data = flags.data;
  if (flags.adaptive.until_stable) data.round = flags.adaptive.round;
  ThreadPool pool(flags.machine.thread_count(processes));
  prompts = prepare_prompts(data, flags.recording, flags.seed, model.config(), tokenizer, pool);
  for (const auto& warning : prompts.warnings) say(flags.terminal, "warning: " + warning);
}

engine::EngineOptions Setup::engine_options() const {
  engine::EngineOptions options{compute, flags.machine.thread_count(processes), flags.machine.memory_bytes()};
  if (options.memory == 0 && processes > 1) {
    options.memory = available_memory() / static_cast<size_t>(processes);
  }
  return options;
}

std::string with_sample_name(const engine::SampleError& problem, const Prompts& prompts) {
  const auto& sample = prompts.data.samples.at(static_cast<size_t>(problem.sample));
  return fmt::format("{} (sample \"{}\"): {}", prompts.data.where(sample), sample.id, problem.what());
}

}  // namespace committee::cli
