#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/flags.h"
#include "cli/json_output.h"
#include "cli/until_stable.h"
#include "parallel/communicator.h"

namespace committee::cli {

struct CaptureFlags {
  std::string model;
  DataFlags data;
  RecordingFlags recording;
  MachineFlags machine;
  RankFlags ranks;
  TerminalFlags terminal;
  AdaptiveFlags adaptive;
  uint64_t seed = 0;
  int64_t verify = 0;  // prompts to compute once more in float32
};

struct CaptureSummary {
  std::filesystem::path trace;
  int64_t prompts = 0, tokens = 0, computed_tokens = 0;  // of this call: a resumed one counts the rest
  double seconds = 0;
  std::vector<std::string> warnings;

  double tokens_per_second() const;
  OrderedJson json() const;
};

// Reads every prompt with the model and writes the trace folder; several ranks share that. Progress, warnings
// and a closing line go to the first one's stderr. Ctrl-C stops between parts of a layer and says how to go
// on (throws Interrupted). Nothing of the trace is touched before the model, the data and every prompt have
// been checked.
CaptureSummary capture(const CaptureFlags& flags, const std::filesystem::path& trace, bool resume,
                       bool overwrite, parallel::Communicator& ranks);
// The same by this process alone.
CaptureSummary capture(const CaptureFlags& flags, const std::filesystem::path& trace, bool resume,
                       bool overwrite);

void add_capture_flags(CLI::App& app, CaptureFlags& flags);
void add_verify_flag(CLI::App& app, CaptureFlags& flags);

}  // namespace committee::cli
