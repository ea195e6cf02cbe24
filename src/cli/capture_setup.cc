#include "cli/capture_setup.h"

#include "base/error.h"
#include "cli/commands.h"
#include "cli/manifest.h"
#include "cli/scoring.h"
#include "cli/verify.h"
#include "parallel/agree.h"
#include "trace/manifest_json.h"

namespace committee::cli {
namespace {

using engine::Sequence;

std::vector<int32_t> max_rows_of(const std::vector<Sequence>& sequences, const RecordingFlags& flags) {
  std::vector<int32_t> rows;
  rows.reserve(sequences.size());
  for (const auto& sequence : sequences) {
    rows.push_back(flags.positions == "generated" ? flags.max_new_tokens
                                                  : static_cast<int32_t>(sequence.recorded.size()));
  }
  return rows;
}

CaptureFlags checked(CaptureFlags flags, const parallel::Communicator& ranks) {
  check_adaptive(flags.adaptive, flags.recording);
  if (flags.adaptive.until_stable && ranks.size() > 1) {
    throw Error("--until-stable reads round after round as one process, and {} were started", ranks.size());
  }
  flags.terminal.quiet = flags.terminal.quiet || !ranks.first();
  return flags;
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

CaptureSetup::CaptureSetup(const CaptureFlags& capture_flags, const parallel::Communicator& ranks)
    : Setup(checked(capture_flags, ranks), ranks.neighbours()) {
  check_verify(flags, compute);
  engine = std::make_unique<engine::Engine>(model, engine_options());
  manifest = manifest_of(flags, model, prompts, compute == engine::Compute::kBF16);
  limits.cuts = prompts.data.rounds;
  max_rows = max_rows_of(prompts.sequences, flags.recording);
}

std::unique_ptr<CaptureSetup> set_up_capture(const CaptureFlags& flags, parallel::Communicator& ranks) {
  std::unique_ptr<CaptureSetup> setup;
  parallel::agree(ranks, [&] { setup = std::make_unique<CaptureSetup>(flags, ranks); });
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

std::string how_to_go_on(const parallel::Communicator& ranks) {
  return fmt::format("whole shards are kept, go on with: {}{}", resume_command_text(),
                     ranks.size() > 1 ? " (under mpirun or srun, with any number of processes)" : "");
}

std::string where_of(const engine::Progress& progress) {
  return progress.layers > 0 ? fmt::format("layer {} of {}", progress.layer, progress.layers)
                             : fmt::format("new token {} of {}", progress.step, progress.steps);
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
