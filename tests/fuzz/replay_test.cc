// Inputs that fuzzing found something with (tests/fixtures/fuzz/TARGET/*), and a few more that every target
// must bear.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "paths.h"
#include "sandbox.h"
#include "targets.h"

namespace committee::fuzz {
namespace {

namespace fs = std::filesystem;

struct Target {
  const char* name;
  void (*run)(std::string_view);
};
#define COMMITTEE_FUZZ_ROW(name, mebibytes) {#name, name},
constexpr Target kTargets[] = {COMMITTEE_FUZZ_TARGETS(COMMITTEE_FUZZ_ROW)};
#undef COMMITTEE_FUZZ_ROW

class Replay : public testing::TestWithParam<Target> {
 protected:
  void SetUp() override { enter_sandbox_of(GetParam().name); }
};

TEST_P(Replay, BearsWhatWasFound) {
  const fs::path folder = fs::path(paths::kFixtures) / "fuzz" / GetParam().name;
  if (!fs::is_directory(folder)) return;
  for (const auto& entry : fs::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().string());
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    EXPECT_NO_THROW(GetParam().run(bytes));
  }
}

TEST_P(Replay, BearsNestingZerosAndNothing) {
  for (const char first : {0, 1, 2, 3}) {
    for (const std::string& input : {std::string(), std::string(5000, '\0'), std::string(5000, '['),
                                     std::string(5000, '\xFF'), std::string(5000, '"')}) {
      EXPECT_NO_THROW(GetParam().run(std::string(1, first) + input));
      EXPECT_NO_THROW(GetParam().run(input));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Replay, testing::ValuesIn(kTargets),
                         [](const auto& one) { return std::string(one.param.name); });

// Every folder of inputs belongs to a target, so that none is passed over.
TEST(ReplayFixtures, AreOfTargets) {
  const fs::path root = fs::path(paths::kFixtures) / "fuzz";
  if (!fs::is_directory(root)) return;
  for (const auto& entry : fs::directory_iterator(root)) {
    bool known = false;
    for (const Target& target : kTargets) known = known || entry.path().filename() == target.name;
    EXPECT_TRUE(known) << entry.path();
  }
}

}  // namespace
}  // namespace committee::fuzz
