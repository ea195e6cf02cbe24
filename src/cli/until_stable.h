#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cli/flags.h"
#include "trace/writer.h"

namespace committee::cli {

// METHOD 10's adaptive sampling: prompts are read in rounds of `round` a domain until the committees that the
// audit of `statistics` and `positions` finds stand still under the bootstrap, or the data end.
struct AdaptiveFlags {
  bool until_stable = false;
  int64_t round = 10;
  StatisticsFlags statistics;
  std::string positions;  // as AuditFlags has them; empty: as recorded
};

void add_adaptive_flags(CLI::App& app, AdaptiveFlags& flags);

// Throws Error where the audit of `flags` has no bootstrap, or the recording lacks what it needs.
void check_adaptive(const AdaptiveFlags& flags, const RecordingFlags& recording);

// What decides, for the options a trace keeps.
std::string describe(const AdaptiveFlags& flags);

// Calls record(rounds[i]), which must add all samples before that to `writer`, round by round until the rule
// holds, and hands the curve to the writer. A line a round goes to stderr.
struct AdaptiveRun {
  const AdaptiveFlags& flags;
  const MachineFlags& machine;
  const TerminalFlags& terminal;
  uint64_t seed = 0;
  std::filesystem::path trace;
  const std::vector<int64_t>& rounds;  // as dataset::Dataset has them
};
void record_until_stable(const AdaptiveRun& run, trace::TraceWriter& writer,
                         const std::function<void(int64_t end)>& record);

}  // namespace committee::cli
