#include "cli/capture.h"

#include <chrono>
#include <cstdio>
#include <memory>

#include "base/error.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/manifest.h"
#include "cli/progress.h"
#include "cli/scoring.h"
#include "cli/setup.h"
#include "cli/verify.h"
#include "engine/engine.h"
#include "model/weights.h"
#include "trace/writer.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using engine::Sequence;
using tokenizer::Tokenizer;

// Between engine and trace: passes the records on, and adds what is known of the samples as soon as their
// chunk is over, so that whole shards reach the disk while the pass goes on.
class CaptureSink : public model::RoutingSink {
 public:
  CaptureSink(trace::TraceWriter& writer, const Prompts& prompts, const std::optional<Tokenizer>& tokenizer)
      : writer_(writer), prompts_(prompts), tokenizer_(tokenizer), infos_(prompts.data.samples.size()) {
    for (size_t i = 0; i < infos_.size(); ++i) {
      infos_[i] = sample_info(prompts.data.samples[i], prompts.sequences[i]);
    }
  }

  void begin_chunk(const model::RecordedRows& rows) override {
    if (rows.size() > 0) add_samples_before(rows.sample.front());
    writer_.begin_chunk(rows);
  }
  void record(const model::RoutingBatch& batch) override { writer_.record(batch); }
  void end_chunk() override { writer_.end_chunk(); }

  void score_sample(int32_t sample, std::span<const float> logits) {
    const auto i = static_cast<size_t>(sample);
    Score result = score(logits, prompts_.letters[i], *prompts_.data.samples[i].answer, *tokenizer_);
    infos_[i].answer_logprobs = std::move(result.answer_logprobs);
    infos_[i].argmax_token = result.argmax_token;
    infos_[i].outcome = std::move(result.outcome);
  }

  // All samples below `end` that the trace does not hold yet.
  void add_samples_before(int64_t end) {
    while (next_ < end) {
      const int64_t first = next_;
      const bool done = writer_.is_done(first);
      while (next_ < end && writer_.is_done(next_) == done) ++next_;
      if (!done) writer_.add_samples(first, std::span(infos_).subspan(first, next_ - first));
    }
  }

  const std::vector<trace::SampleInfo>& infos() const { return infos_; }

 private:
  trace::TraceWriter& writer_;
  const Prompts& prompts_;
  const std::optional<Tokenizer>& tokenizer_;
  std::vector<trace::SampleInfo> infos_;
  int64_t next_ = 0;
};

// The most rows each sample can have.
std::vector<int32_t> max_rows(const std::vector<Sequence>& sequences, const RecordingFlags& flags) {
  std::vector<int32_t> rows;
  rows.reserve(sequences.size());
  for (const auto& sequence : sequences) {
    rows.push_back(flags.positions == "generated" ? flags.max_new_tokens
                                                  : static_cast<int32_t>(sequence.recorded.size()));
  }
  return rows;
}

std::string where_of(const engine::Progress& p) {
  return p.layers > 0 ? fmt::format("layer {} of {}", p.layer, p.layers)
                      : fmt::format("new token {} of {}", p.step, p.steps);
}

std::string how_to_go_on() { return "whole shards are kept, go on with: " + resume_command_text(); }

// Records samples in their order, whatever is not done yet.
class Recorder {
 public:
  Recorder(const CaptureFlags& flags, engine::Engine& engine, const engine::RoutingPolicy& policy,
           const Prompts& prompts, const std::optional<Tokenizer>& tokenizer, trace::TraceWriter& writer)
      : flags_(flags),
        engine_(engine),
        policy_(policy),
        prompts_(prompts),
        writer_(writer),
        sink_(writer, prompts, tokenizer) {}

  // All samples before `end`.
  void record_before(int64_t end) {
    std::vector<Sequence> pending;
    for (; next_ < end; ++next_) {
      if (!writer_.is_done(next_)) pending.push_back(prompts_.sequences[static_cast<size_t>(next_)]);
    }
    for (const auto& sequence : pending) tokens_ += static_cast<int64_t>(sequence.tokens.size());
    samples_ += std::ssize(pending);
    try {
      read(pending);
    } catch (const engine::SampleError& problem) {
      throw Error(with_sample_name(problem, prompts_));
    } catch (const Interrupted&) {
      fmt::print(stderr, "committee-audit: interrupted after {} of {} prompts; {}\n", writer_.samples_done(),
                 prompts_.sequences.size(), how_to_go_on());
      throw;
    }
    sink_.add_samples_before(end);
  }

  // What was read so far, of samples that were not done before.
  CaptureSummary summary() const {
    CaptureSummary summary;
    summary.prompts = samples_;
    summary.tokens = tokens_;
    summary.computed_tokens = computed_;
    return summary;
  }

 private:
  void read(const std::vector<Sequence>& pending) {
    Progress progress(flags_.terminal.quiet);
    const SafeStop stop;
    const auto on_progress = [&](const engine::Progress& p) {
      stop.check();
      progress.update(static_cast<double>(p.tokens), static_cast<double>(p.total_tokens), where_of(p),
                      "tokens");
    };
    const engine::Variant variant{policy_, &sink_, [&](size_t sequence, std::span<const float> logits) {
                                    sink_.score_sample(pending[sequence].sample, logits);
                                  }};
    if (flags_.recording.positions == "generated") {
      const auto generated = engine_.generate(pending, flags_.recording.max_new_tokens, variant, on_progress);
      for (const auto& sequence : generated) tokens_ += static_cast<int64_t>(sequence.size());
      computed_ = tokens_;
    } else {
      computed_ += engine_.prefill(pending, std::span(&variant, 1), on_progress).rows;
    }
    progress.finish();
  }

  const CaptureFlags& flags_;
  engine::Engine& engine_;
  const engine::RoutingPolicy& policy_;
  const Prompts& prompts_;
  trace::TraceWriter& writer_;
  CaptureSink sink_;
  int64_t next_ = 0, samples_ = 0, tokens_ = 0, computed_ = 0;
};

}  // namespace

double CaptureSummary::tokens_per_second() const {
  return static_cast<double>(tokens) / std::max(seconds, 1e-9);
}

OrderedJson CaptureSummary::json() const {
  return {{"trace", trace.string()}, {"prompts", prompts},
          {"tokens", tokens},        {"computed_tokens", computed_tokens},
          {"seconds", seconds},      {"tokens_per_second", tokens_per_second()},
          {"warnings", warnings}};
}

CaptureSummary capture(const CaptureFlags& flags, const fs::path& trace, bool resume, bool overwrite) {
  say_when_interrupted("interrupted before anything was written");
  check_adaptive(flags.adaptive, flags.recording);
  const auto start = std::chrono::steady_clock::now();
  CaptureFlags adapted = flags;
  if (flags.adaptive.until_stable) adapted.data.round = flags.adaptive.round;
  const Setup setup(adapted);
  const model::Model& model = setup.model;
  const engine::RoutingPolicy& policy = setup.policy;
  const auto& tokenizer = setup.tokenizer;
  const Prompts& prompts = setup.prompts;

  check_verify(flags, setup.compute);
  std::optional<engine::Engine> engine(std::in_place, model, setup.engine_options());
  trace::Manifest manifest = manifest_of(flags, model, prompts, setup.compute == engine::Compute::kBF16);
  auto rows = max_rows(prompts.sequences, flags.recording);
  const trace::ShardLimits limits{.cuts = prompts.data.rounds};
  const auto writer =
      resume ? trace::TraceWriter::resume(trace, std::move(manifest), std::move(rows), limits)
             : trace::TraceWriter::create(trace, std::move(manifest), std::move(rows),
                                          overwrite ? trace::Existing::kOverwrite : trace::Existing::kRefuse,
                                          limits);

  say_when_interrupted("interrupted; " + how_to_go_on());
  Recorder recorder(flags, *engine, policy, prompts, tokenizer, *writer);
  if (flags.adaptive.until_stable) {
    record_until_stable(
        {flags.adaptive, flags.machine, flags.terminal, flags.seed, trace, prompts.data.rounds}, *writer,
        [&](int64_t end) { recorder.record_before(end); });
  } else {
    recorder.record_before(static_cast<int64_t>(prompts.sequences.size()));
  }
  writer->finish();

  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  CaptureSummary summary = recorder.summary();
  summary.trace = trace;
  summary.seconds = took.count();
  summary.warnings = prompts.warnings;
  say(flags.terminal, fmt::format("{} prompts, {} tokens ({} computed), {:.1f} s, {:.0f} tokens/s → {}",
                                  summary.prompts, summary.tokens, summary.computed_tokens, summary.seconds,
                                  summary.tokens_per_second(), trace.string()));
  engine.reset();
  if (flags.verify > 0) say(flags.terminal, verify(flags, model, prompts, policy, trace));
  return summary;
}

void add_capture_flags(CLI::App& app, CaptureFlags& flags) {
  app.add_option("MODEL", flags.model, "Checkpoint folder, or a hub id in the local Hugging Face cache")
      ->required();
  add_data_flags(app, flags.data);
  add_recording_flags(app, flags.recording);
  add_machine_flags(app, flags.machine);
  add_terminal_flags(app, flags.terminal);
  add_seed_flag(app, flags.seed);
  add_adaptive_flags(app, flags.adaptive);
  add_json_flag(app, flags.terminal);
}

void add_verify_flag(CLI::App& app, CaptureFlags& flags) {
  app.add_option("--verify", flags.verify,
                 "Compute N prompts once more in float32 and say what BF16 changes (off)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
}

void add_capture(CLI::App& app, Job& job) {
  struct Flags {
    CaptureFlags capture;
    OutputFlags output;
  };
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("capture", "Record a model's routing while it reads prompts");
  add_capture_flags(*command, flags->capture);
  add_verify_flag(*command, flags->capture);
  add_output_flags(*command, flags->output);
  command->callback([flags, &job] {
    // What a later audit will take where the recording has no distributions.
    if (flags->capture.recording.record == "topk") flags->capture.adaptive.statistics.eci = "executed";
    job = [flags] {
      check_output(flags->output);
      const auto summary =
          capture(flags->capture, flags->output.out, flags->output.resume, flags->output.overwrite);
      if (flags->capture.terminal.json) print_json(summary.json());
    };
  });
}

}  // namespace committee::cli
