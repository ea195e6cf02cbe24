// Many captures in one process: what one leaves behind would add up. LeakSanitizer looks at the same.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "cli/capture.h"
#include "cli/tool.h"

namespace committee::cli {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // freed memory is kept on purpose
#else
constexpr bool kSanitized = false;
#endif

int64_t resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoll(line.substr(6));
  }
  return 0;
}

// COMMITTEE_SOAK: how many captures, 40 at least; beyond the 20th the process must not grow.
int rounds() {
  const char* text = std::getenv("COMMITTEE_SOAK");
  return text == nullptr ? (kSanitized ? 40 : 100) : std::max(40, std::stoi(text));
}

TEST(Soak, CapturesInOneProcessLeaveNothing) {
  const Scratch scratch;
  CaptureFlags flags;
  flags.model = scratch.model();
  flags.data.data = prompts();
  flags.machine.threads = 1;
  flags.terminal.quiet = true;
  std::string first;
  int64_t warm = 0;
  for (int round = 0; round < rounds(); ++round) {
    flags.recording.positions = round % 2 == 0 ? "all" : "generated";
    capture(flags, scratch / "trace", false, true);
    const std::string manifest = read_text(scratch / "trace" / "trace.json");
    if (round == 0) first = manifest;
    if (round % 2 == 0) {
      ASSERT_EQ(manifest, first) << "round " << round;
    }
    if (round == 19) warm = resident_kib();
  }
  ASSERT_GT(warm, 0);
  if (std::getenv("COMMITTEE_SOAK") != nullptr)
    std::printf("%d captures: %ld KiB more than after 20\n", rounds(),
                static_cast<long>(resident_kib() - warm));
  if (!kSanitized) {
    EXPECT_LT(resident_kib() - warm, 8 << 10) << "KiB more than after 20 captures";
  }
}

}  // namespace
}  // namespace committee::cli
