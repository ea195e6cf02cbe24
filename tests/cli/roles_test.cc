// Roles of a recorded trace, as a user gets them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "cli/tool.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

class RolesCommand : public testing::Test {
 protected:
  fs::path capture(const std::string& positions) {
    const fs::path out = scratch_ / ("trace-" + positions);
    const auto outcome = run_tool({"capture", model_, "--data", prompts(), "-o", out, "--positions",
                                   positions, "--compute", "f32", "--quiet"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return out;
  }
  Scratch scratch_;
  const std::string model_ = scratch_.model();
};

TEST_F(RolesCommand, LeavesItsTables) {
  const fs::path trace = capture("all"), out = scratch_ / "roles";
  const auto outcome = run_tool({"roles", trace, "-o", out, "--tokenizer", model_, "--set", "core",
                                 "--permutations", "20", "--shuffles", "5", "--threads", "2"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(read_text(out / "roles.csv"), StartsWith("layer,expert,token,count,share,domains,role,"));
  EXPECT_THAT(read_text(out / "roles.csv"), HasSubstr("␣"));
  EXPECT_THAT(read_text(out / "enrichment.csv"),
              StartsWith("layer,expert,in_committee,class,log_odds,q_value,"));
  EXPECT_THAT(read_text(out / "information.csv"), HasSubstr("outside_permuted_mean"));
  const Json json = read_json(out / "roles.json");
  EXPECT_EQ(json["format"], "committee-audit roles");
  EXPECT_FALSE(json["sentences"].empty());
  EXPECT_THAT(outcome.out, HasSubstr(json["sentences"][0].get<std::string>()));

  const auto again = run_tool({"roles", trace, "-o", out, "--quiet"});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("--overwrite"));
}

TEST_F(RolesCommand, RefusesInOneSentence) {
  const fs::path last = capture("last");
  auto outcome = run_tool({"roles", last, "-o", scratch_ / "no", "--quiet"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("--positions all"));
  EXPECT_FALSE(fs::exists(scratch_ / "no"));
  outcome = run_tool({"roles", last, "-o", scratch_ / "no", "--eci", "reference"});
  EXPECT_EQ(outcome.exit_code, 1);
}

}  // namespace
}  // namespace committee::cli
