#include "cli/capture_setup.h"

#include <cstdio>

#include "base/error.h"
#include "base/thread_pool.h"
#include "cli/manifest.h"
#include "cli/parse.h"
#include "cli/scoring.h"
#include "cli/verify.h"
#include "engine/chunks.h"
#include "parallel/agree.h"
#include "trace/manifest_json.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using engine::Sequence;
using tokenizer::Tokenizer;

engine::Compute chosen_compute(const std::string& name) {
  if (name == "f32") return engine::Compute::kF32;
  if (name == "bf16") return engine::Compute::kBF16;
  return engine::best_compute();
}

engine::RoutingPolicy policy_of(const RecordingFlags& flags) {
  engine::RoutingPolicy policy;
  policy.top_k = flags.top_k;
  if (!flags.mask.empty()) policy.masked = parse_expert_sets(flags.mask);
  if (flags.mask_mode == "drop") policy.mask_mode = engine::MaskMode::kDrop;
  if (!flags.always.empty()) policy.always = parse_expert_sets(flags.always);
  return policy;
}

std::optional<Tokenizer> load_tokenizer(const fs::path& folder) {
  if (!fs::exists(folder / "tokenizer.json")) return std::nullopt;
  return Tokenizer::load(folder);
}

std::vector<int32_t> max_rows(const std::vector<Sequence>& sequences, const RecordingFlags& flags) {
  std::vector<int32_t> rows;
  rows.reserve(sequences.size());
  for (const auto& sequence : sequences) {
    rows.push_back(flags.positions == "generated" ? flags.max_new_tokens
                                                  : static_cast<int32_t>(sequence.recorded.size()));
  }
  return rows;
}

std::unique_ptr<CaptureSetup> set_up(const CaptureFlags& flags, const parallel::Communicator& ranks) {
  check_adaptive(flags.adaptive, flags.recording);
  if (flags.adaptive.until_stable && ranks.size() > 1) {
    throw Error("--until-stable reads round after round as one process, and {} were started", ranks.size());
  }
  const fs::path folder = model::find_model(flags.model);
  std::unique_ptr<CaptureSetup> setup(new CaptureSetup{
      flags, model::Model::open(folder), policy_of(flags.recording), {}, {}, {}, {}, {}, {}});
  setup->flags.terminal.quiet = flags.terminal.quiet || !ranks.first();
  const auto& config = setup->model.config();
  engine::validate(setup->policy, config);
  setup->tokenizer = load_tokenizer(folder);
  engine::EngineOptions options{chosen_compute(flags.recording.compute),
                                flags.machine.thread_count(ranks.neighbours()), flags.machine.memory_bytes()};
  check_verify(flags, options.compute);
  // The ranks of a machine share what it has.
  if (options.memory == 0)
    options.memory = engine::available_memory() / static_cast<size_t>(ranks.neighbours());
  {
    ThreadPool pool(options.threads);
    DataFlags data = flags.data;
    if (flags.adaptive.until_stable) data.round = flags.adaptive.round;
    setup->prompts = prepare_prompts(data, flags.recording, flags.seed, config, setup->tokenizer, pool);
  }
  setup->engine = std::make_unique<engine::Engine>(setup->model, options);
  setup->manifest =
      manifest_of(flags, setup->model, setup->prompts, options.compute == engine::Compute::kBF16);
  setup->limits.cuts = setup->prompts.data.rounds;
  setup->max_rows = max_rows(setup->prompts.sequences, flags.recording);
  return setup;
}

// Ranks on other machines may find other files under the same names.
void check_same(const trace::Manifest& manifest, parallel::Communicator& ranks) {
  auto bytes = parallel::payload_of(trace::manifest_text(manifest));
  ranks.broadcast(bytes, 0);
  parallel::agree(ranks, [&] {
    const std::string text = parallel::text_of(bytes), file = "the manifest of rank 0";
    const auto what = trace::difference(trace::parse_manifest(parse_json(text, file), file), manifest);
    if (!what.empty()) throw Error("works on something else than rank 0: {}", what);
  });
}

}  // namespace

std::unique_ptr<CaptureSetup> set_up_capture(const CaptureFlags& flags, parallel::Communicator& ranks) {
  std::unique_ptr<CaptureSetup> setup;
  parallel::agree(ranks, [&] { setup = set_up(flags, ranks); });
  if (ranks.size() > 1) check_same(setup->manifest, ranks);
  return setup;
}

std::unique_ptr<trace::TraceWriter> open_writer(const CaptureSetup& setup, const CaptureOutput& output) {
  if (output.resume)
    return trace::TraceWriter::resume(output.trace, setup.manifest, setup.max_rows, setup.limits);
  return trace::TraceWriter::create(output.trace, setup.manifest, setup.max_rows,
                                    output.overwrite ? trace::Existing::kOverwrite : trace::Existing::kRefuse,
                                    setup.limits);
}

std::string with_sample_name(const engine::SampleError& problem, const Prompts& prompts) {
  const auto& sample = prompts.data.samples.at(static_cast<size_t>(problem.sample));
  return fmt::format("{} (sample \"{}\"): {}", prompts.data.where(sample), sample.id, problem.what());
}

CaptureSink::CaptureSink(trace::TraceWriter& writer, const CaptureSetup& setup)
    : writer_(writer),
      prompts_(setup.prompts),
      tokenizer_(setup.tokenizer),
      infos_(prompts_.data.samples.size()) {
  for (size_t i = 0; i < infos_.size(); ++i) {
    infos_[i] = sample_info(prompts_.data.samples[i], prompts_.sequences[i]);
  }
}

void CaptureSink::begin_chunk(const model::RecordedRows& rows) {
  if (rows.size() > 0) add_samples_before(rows.sample.front());
  writer_.begin_chunk(rows);
}

void CaptureSink::score_sample(int32_t sample, std::span<const float> logits) {
  const auto i = static_cast<size_t>(sample);
  Score result = score(logits, prompts_.letters[i], *prompts_.data.samples[i].answer, *tokenizer_);
  infos_[i].answer_logprobs = std::move(result.answer_logprobs);
  infos_[i].argmax_token = result.argmax_token;
  infos_[i].outcome = std::move(result.outcome);
}

void CaptureSink::add_samples_before(int64_t end) {
  while (next_ < end) {
    const int64_t first = next_;
    const bool done = writer_.is_done(first);
    while (next_ < end && writer_.is_done(next_) == done) ++next_;
    if (!done) {
      writer_.add_samples(
          first, std::span(infos_).subspan(static_cast<size_t>(first), static_cast<size_t>(next_ - first)));
    }
  }
}

Pending pending_of(const CaptureSetup& setup, const std::function<bool(int64_t)>& is_done) {
  Pending pending;
  for (const auto& sequence : setup.prompts.sequences) {
    if (is_done(sequence.sample)) continue;
    pending.sequences.push_back(sequence);
    pending.tokens += static_cast<int64_t>(sequence.tokens.size());
  }
  return pending;
}

}  // namespace committee::cli
