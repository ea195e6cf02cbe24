#include "cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace committee::cli {
namespace {

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

// A terminal that knows how to clear a line.
bool draws_lines() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

int columns() {
  struct winsize size {};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// 950, 12.3k, 1.25M
std::string short_count(double n) {
  if (n >= 999'500) return fmt::format("{:.2f}M", n / 1e6);
  if (n >= 9'995) return fmt::format("{:.1f}k", n / 1e3);
  return fmt::format("{:.0f}", n);
}

}  // namespace

void say(const TerminalFlags& flags, const std::string& line) {
  if (!flags.quiet) fmt::print(stderr, "{}\n", line);
}

Progress::Progress(bool quiet, std::optional<Clock::duration> interval)
    : quiet_(quiet),
      terminal_(draws_lines()),
      interval_(interval.value_or(terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(10))),
      start_(Clock::now()),
      last_(start_) {}

Progress::~Progress() { finish(); }

void Progress::update(double done, double total, const std::string& where, const char* rate_units) {
  if (quiet_ || (done == last_done_ && where == last_where_)) return;
  const auto now = Clock::now();
  const std::chrono::duration<double> since_start = now - start_;
  const bool last = done >= total;
  if (now - last_ < interval_ && !(last && drawn_)) return;
  last_ = now;
  last_done_ = done;
  last_where_ = where;
  drawn_ = true;
  const double share = total > 0 ? std::min(done / total, 1.0) : 1.0;
  const double rate = done / std::max(since_start.count(), 1e-9);
  const double left = rate > 0 ? (total - done) / rate : 0;
  const std::string figures =
      fmt::format("{:3.0f}%  {}  {} of {} {}, {}/s, {} left", 100 * share, where, short_count(done),
                  short_count(total), rate_units, short_count(rate), duration(left));
  if (terminal_) {
    // What does not fit on the line would make it scroll at every update: the bar gives way first.
    const int room = columns() - 1, width = std::clamp(room - static_cast<int>(figures.size()) - 1, 0, 24);
    const int filled = static_cast<int>(share * width);
    std::string bar;
    for (int i = 0; i < width; ++i) bar += i < filled ? "█" : "░";
    fmt::print(stderr, "\r\x1b[K{} {}", bar, figures.substr(0, static_cast<size_t>(std::max(room - 1, 0))));
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
