#include "cli/trace_or_model.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace committee::cli {
namespace {

// Flags of a capture that say the same of a trace.
constexpr std::array kShared = {"--data",  "--positions", "--domains", "--group-by", "--threads", "--memory",
                                "--quiet", "--color",     "--seed",    "--json",     "--help"};

bool is_shared(const CLI::Option& option) {
  return std::any_of(kShared.begin(), kShared.end(),
                     [&](const char* name) { return option.check_name(name); });
}

}  // namespace

void TraceOrModel::add(CLI::App& command, const std::vector<std::string>& removed) {
  add_capture_flags(command, capture);
  command.remove_option(command.get_option("MODEL"));
  for (const auto& name : removed) command.remove_option(command.get_option(name));
  command.get_option("--data")->required(false)->description(
      "Prompts, for a MODEL: an MMLU folder, a JSONL or CSV file, or a folder of these");
  positions_ = command.get_option("--positions");
  for (const CLI::Option* option : std::as_const(command).get_options()) {
    if (!is_shared(*option)) model_only_.push_back(option);
  }
  command
      .add_option("TRACE|MODEL", capture.model, "Trace folder, or with --data a checkpoint folder or hub id")
      ->required();
  add_output_flags(command, output);
  model_only_.push_back(command.get_option("--resume"));
}

void TraceOrModel::check() const {
  namespace fs = std::filesystem;
  const fs::path path = input();
  if (is_model()) {
    if (fs::exists(path / "trace.json"))
      throw Error("{}: is a trace, and --data goes with a MODEL", path.string());
    return;
  }
  if (!fs::exists(path / "trace.json") && fs::exists(path / "config.json"))
    throw Error("{}: is a model, which needs --data DATA", path.string());
  for (const CLI::Option* option : model_only_) {
    if (option->count() > 0)
      throw Error("{} goes with a MODEL and --data; {} is taken as a trace", option->get_name(),
                  path.string());
  }
}

AuditFlags TraceOrModel::audit_flags(const StatisticsFlags& statistics) const {
  AuditFlags flags;
  flags.statistics = statistics;
  flags.machine = capture.machine;
  flags.terminal = capture.terminal;
  flags.seed = capture.seed;
  if (is_model()) return flags;  // the capture recorded and grouped as asked for
  if (positions_->count() > 0) flags.positions = capture.recording.positions;
  flags.domains = capture.data.domains;
  flags.group_by = capture.data.group_by;
  return flags;
}

}  // namespace committee::cli
