// Balance of a recorded trace, as a user gets it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "cli/tool.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

TEST(BalanceCommand, LeavesItsTablesAndRefusesTopK) {
  const Scratch scratch;
  const std::string model = scratch.model();
  const auto capture = [&](const std::string& record) {
    const fs::path out = scratch / record;
    const auto outcome = run_tool({"capture", model, "--data", prompts(), "-o", out, "--positions", "all",
                                   "--record", record, "--compute", "f32", "--quiet"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return out;
  };
  const fs::path out = scratch / "balance";
  const auto outcome =
      run_tool({"balance", capture("full"), "-o", out, "--bootstrap", "20", "--permutations", "20"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(read_text(out / "balance.csv"),
              StartsWith("layer,balance_loss,balance_loss_within_domain,slots_moved,mass_lost,"));
  EXPECT_THAT(read_text(out / "balance_domains.csv"), StartsWith("layer,domain,samples,rows,balance_loss,"));
  EXPECT_EQ(read_json(out / "biases.json")["layers"][0]["biases"].size(), 16u);
  EXPECT_EQ(read_json(out / "balance.json")["format"], "committee-audit balance");
  EXPECT_THAT(outcome.out, HasSubstr("load-balancing loss"));

  const auto refused = run_tool({"balance", capture("topk"), "-o", scratch / "no"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("--record full"));
  EXPECT_FALSE(fs::exists(scratch / "no"));
}

}  // namespace
}  // namespace committee::cli
