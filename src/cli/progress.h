#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "cli/flags.h"

namespace committee::cli {

// A line on stderr, unless quiet.
void say(const TerminalFlags& flags, const std::string& line);

// Progress of long work on stderr: one line that is redrawn on a terminal, a plain line now and then in a
// pipe, nothing where quiet. An update that changes no figure is passed over.
class Progress {
 public:
  using Clock = std::chrono::steady_clock;

  // `interval`: between two updates that are shown; 0.1 s on a terminal and 10 s in a pipe where not given.
  explicit Progress(bool quiet, std::optional<Clock::duration> interval = {});
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of `total` units of work, "layer 3 of 16" and the like in `where`; `rate_units` ("tokens") are
  // what the units are.
  void update(double done, double total, const std::string& where, const char* rate_units);

  // Ends the line, if one is drawn.
  void finish();

 private:
  bool quiet_, terminal_, drawn_ = false;
  Clock::duration interval_;
  Clock::time_point start_, last_;
  double last_done_ = -1;
  std::string last_where_;
};

}  // namespace committee::cli
