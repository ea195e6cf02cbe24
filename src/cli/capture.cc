#include "cli/capture.h"

#include <chrono>
#include <cstdio>
#include <memory>

#include "base/error.h"
#include "cli/capture_setup.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/ranks.h"
#include "cli/verify.h"

namespace committee::cli {

namespace fs = std::filesystem;

double CaptureSummary::tokens_per_second() const {
  return static_cast<double>(tokens) / std::max(seconds, 1e-9);
}

OrderedJson CaptureSummary::json() const {
  return {{"trace", trace.string()}, {"prompts", prompts},
          {"tokens", tokens},        {"computed_tokens", computed_tokens},
          {"seconds", seconds},      {"tokens_per_second", tokens_per_second()},
          {"warnings", warnings}};
}

CaptureSummary capture(const CaptureFlags& flags, const fs::path& trace, bool resume, bool overwrite,
                       parallel::Communicator& ranks) {
  say_when_interrupted("interrupted before anything was written");
  const auto start = std::chrono::steady_clock::now();
  const auto setup = set_up_capture(flags, ranks);
  const CaptureOutput output{trace, resume, overwrite};
  const CaptureWork work = flags.ranks.share == "layers" && ranks.size() > 1
                               ? capture_by_layers(*setup, output, ranks)
                               : capture_by_prompts(*setup, output, ranks);

  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  CaptureSummary summary{trace,        work.prompts,           work.tokens, work.computed_tokens,
                         took.count(), setup->prompts.warnings};
  const TerminalFlags& terminal = setup->flags.terminal;
  const std::string by = ranks.size() > 1 ? fmt::format(", {} ranks", ranks.size()) : "";
  say(terminal, fmt::format("{} prompts, {} tokens ({} computed), {:.1f} s, {:.0f} tokens/s{} → {}",
                            summary.prompts, summary.tokens, summary.computed_tokens, summary.seconds,
                            summary.tokens_per_second(), by, trace.string()));
  setup->engine.reset();
  if (flags.verify == 0) return summary;
  on_first(ranks,
           [&] { say(terminal, verify(setup->flags, setup->model, setup->prompts, setup->policy, trace)); });
  return summary;
}

CaptureSummary capture(const CaptureFlags& flags, const fs::path& trace, bool resume, bool overwrite) {
  return capture(flags, trace, resume, overwrite, *parallel::serial());
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
  add_rank_flags(*command, flags->capture.ranks);
  add_verify_flag(*command, flags->capture);
  add_output_flags(*command, flags->output);
  command->callback([flags, &job] {
    // What a later audit will take where the recording has no distributions.
    if (flags->capture.recording.record == "topk") flags->capture.adaptive.statistics.eci = "executed";
    job = [flags] {
      with_ranks([&](parallel::Communicator& ranks) {
        on_first(ranks, [&] { check_output(flags->output); });
        const auto summary =
            capture(flags->capture, flags->output.out, flags->output.resume, flags->output.overwrite, ranks);
        if (!flags->capture.terminal.json || !ranks.first()) return;
        OrderedJson document = json_head("capture");
        document.update(summary.json());
        print_json(document);
      });
    };
  });
}

}  // namespace committee::cli
