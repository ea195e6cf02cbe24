#include "cli/capture.h"

#include <chrono>
#include <cstdio>
#include <memory>

#include "base/error.h"
#include "cli/capture_setup.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/ranks.h"
#include "cli/verify.h"
#include "parallel/agree.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;

}  // namespace

void capture(const CaptureFlags& flags, const fs::path& trace, bool resume, bool overwrite,
             parallel::Communicator& ranks) {
  const auto start = std::chrono::steady_clock::now();
  const auto setup = set_up_capture(flags, ranks);
  const TerminalFlags& terminal = setup->flags.terminal;
  for (const auto& warning : setup->prompts.warnings) say(terminal, "warning: " + warning);
  const CaptureOutput output{trace, resume, overwrite};
  const CaptureWork work = flags.ranks.share == "layers" && ranks.size() > 1
                               ? capture_by_layers(*setup, output, ranks)
                               : capture_by_prompts(*setup, output, ranks);

  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const std::string by = ranks.size() > 1 ? fmt::format(", {} ranks", ranks.size()) : "";
  say(terminal,
      fmt::format("{} prompts, {} tokens ({} computed), {:.1f} s, {:.0f} tokens/s{} → {}", work.prompts,
                  work.tokens, work.rows, took.count(),
                  static_cast<double>(work.tokens) / std::max(took.count(), 1e-9), by, trace.string()));
  setup->engine.reset();
  if (flags.verify == 0) return;
  parallel::agree(ranks, [&] {
    if (!ranks.first()) return;
    say(terminal, verify(setup->flags, setup->model, setup->prompts, setup->policy, trace));
  });
}

void add_capture_flags(CLI::App& app, CaptureFlags& flags) {
  app.add_option("MODEL", flags.model, "Checkpoint folder, or a hub id in the local Hugging Face cache")
      ->required();
  add_data_flags(app, flags.data);
  add_recording_flags(app, flags.recording);
  add_machine_flags(app, flags.machine);
  add_rank_flags(app, flags.ranks, flags.data);
  add_terminal_flags(app, flags.terminal);
  add_seed_flag(app, flags.seed);
  add_adaptive_flags(app, flags.adaptive);
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
      with_ranks([&](parallel::Communicator& ranks) {
        check_output(flags->output, ranks);
        capture(flags->capture, flags->output.out, flags->output.resume, flags->output.overwrite, ranks);
      });
    };
  });
}

}  // namespace committee::cli
