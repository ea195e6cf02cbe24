// `compare` run as a user does.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "cli/tool.h"
#include "paths.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Compare : public testing::Test {
 protected:
  fs::path audit(const std::string& name, const std::vector<std::string>& flags) {
    const fs::path trace = scratch_ / "trace";
    if (!fs::exists(trace)) {
      const fs::path arrays = fs::path(paths::kFixtures) / "audit/synthetic/input";
      EXPECT_EQ(run_tool({"import", "--from", "npy", arrays, "--k", "4", "-o", trace}).exit_code, 0);
    }
    std::vector<std::string> arguments = {
        "audit", trace, "-o", scratch_ / name, "--permutations", "0", "--expert-shuffles", "0"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const auto outcome = run_tool(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return scratch_ / name;
  }

  Scratch scratch_;
};

TEST_F(Compare, LeavesTablesPageAndJson) {
  const auto a = audit("a", {"--bootstrap", "20"}), b = audit("b", {"--bootstrap", "20", "--k", "3"});
  const auto outcome = run_tool({"compare", a, b, "-o", scratch_ / "out"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("b against a"));
  EXPECT_THAT(outcome.out, HasSubstr("k: 4, 3"));
  for (const char* file :
       {"compare.csv", "compare_experts.csv", "compare_matrix.csv", "compare_figures.csv", "compare.html"}) {
    EXPECT_GT(fs::file_size(scratch_ / "out" / file), 20u) << file;
  }
  const Json json = read_json(scratch_ / "out/compare.json");
  EXPECT_EQ(json["audits"].size(), 2u);
  EXPECT_THAT(json["command"].get<std::string>(), HasSubstr("compare "));

  const auto again = run_tool({"compare", a, b, "-o", scratch_ / "out"});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("not empty"));
  const auto printed = run_tool({"compare", a, b, "-o", scratch_ / "out", "--overwrite", "--json"});
  EXPECT_EQ(printed.out, read_text(scratch_ / "out/compare.json"));
}

TEST_F(Compare, AnAuditAgainstItself) {
  const auto a = audit("a", {"--bootstrap", "20"});
  const auto outcome = run_tool({"compare", a, a, "-o", scratch_ / "out", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  EXPECT_EQ(json["audits"][1]["label"], "a (2)");
  EXPECT_THAT(json["sentences"][0].get<std::string>(), HasSubstr("no difference"));
}

TEST_F(Compare, BadInput) {
  const auto a = audit("a", {"--bootstrap", "0"});
  EXPECT_EQ(run_tool({"compare", a, "-o", scratch_ / "out"}).exit_code, 2);
  EXPECT_EQ(run_tool({"compare", a, a}).exit_code, 2);
  const auto missing = run_tool({"compare", a, scratch_ / "nowhere", "-o", scratch_ / "out"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, HasSubstr("nowhere"));
  const auto trace = run_tool({"compare", a, scratch_ / "trace", "-o", scratch_ / "out"});
  EXPECT_EQ(trace.exit_code, 1);
  EXPECT_THAT(trace.err, HasSubstr("holds no audit"));
  EXPECT_FALSE(fs::exists(scratch_ / "out"));
}

}  // namespace
}  // namespace committee::cli
