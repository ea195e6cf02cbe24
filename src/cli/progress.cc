#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace committee::cli {
namespace {

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

void say(const TerminalFlags& flags, const std::string& line) {
  if (!flags.quiet) fmt::print(stderr, "{}\n", line);
}

Progress::Progress(bool quiet)
    : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1), start_(Clock::now()), last_(start_) {}

Progress::~Progress() { finish(); }

void Progress::update(double done, double total, const std::string& where, const char* rate_units) {
  if (quiet_) return;
  const auto now = Clock::now();
  const std::chrono::duration<double> since_last = now - last_, since_start = now - start_;
  const bool last = done >= total;
  if (since_last.count() < (terminal_ ? 0.1 : 10.0) && !(last && drawn_)) return;
  last_ = now;
  drawn_ = true;
  const double share = total > 0 ? std::min(done / total, 1.0) : 1.0;
  const double rate = done / std::max(since_start.count(), 1e-9);
  const double left = rate > 0 ? (total - done) / rate : 0;
  const std::string figures =
      fmt::format("{:3.0f}%  {}  {:.0f} {}/s  {} left", 100 * share, where, rate, rate_units, duration(left));
  if (terminal_) {
    constexpr int kWidth = 24;
    const int filled = static_cast<int>(share * kWidth);
    std::string bar;
    for (int i = 0; i < kWidth; ++i) bar += i < filled ? "█" : "░";
    fmt::print(stderr, "\r\x1b[K{} {}", bar, figures);
  } else {
    fmt::print(stderr, "{}\n", figures);
  }
  std::fflush(stderr);
}

void Progress::finish() {
  if (drawn_ && terminal_) fmt::print(stderr, "\r\x1b[K");
  drawn_ = false;
}

}  // namespace committee::cli
