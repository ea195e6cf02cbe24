// Prefill beside generation: a trace of content tokens and one of generated tokens of the same prompts,
// audited, compared and asked for roles.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/json.h"
#include "cli/tool.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Positions : public testing::Test {
 protected:
  fs::path run(std::vector<std::string> arguments, const std::string& out) const {
    arguments.insert(arguments.end(), {"-o", scratch_ / out, "--quiet"});
    const auto outcome = run_tool(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return scratch_ / out;
  }
  fs::path capture(const std::string& positions) const {
    return run({"capture", model_, "--data", prompts(), "--positions", positions, "--max-new-tokens", "6",
                "--compute", "f32"},
               "trace-" + positions);
  }
  fs::path audit(const fs::path& trace, const std::string& positions, const std::string& out) const {
    return run({"audit", trace, "--positions", positions, "--bootstrap", "30", "--permutations", "20",
                "--expert-shuffles", "0"},
               out);
  }

  Scratch scratch_;
  const std::string model_ = scratch_.model();
};

TEST_F(Positions, PrefillAndGenerationAreCompared) {
  const auto whole = capture("all"), generated = capture("generated");
  const auto prefill = audit(whole, "content", "prefill"),
             generation = audit(generated, "generated", "generation");
  EXPECT_EQ(read_json(generation / "audit.json")["positions"], "generated");
  EXPECT_EQ(read_json(prefill / "audit.json")["positions"], "content");
  const auto outcome = run_tool({"compare", prefill, generation, "-o", scratch_ / "out", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  ASSERT_EQ(json["pairs"].size(), 1u);
  EXPECT_TRUE(json["pairs"][0]["committee_jaccard"].is_number());
  EXPECT_TRUE(json["pairs"][0]["committee_agreement"].is_number());  // what noise alone leaves of it
  bool has_r2 = false;
  for (const auto& row : rows_of(scratch_ / "out/compare_figures.csv")) {
    if (row.at("figure") != "r2") continue;
    has_r2 = true;
    EXPECT_NE(row.at("value"), "");
  }
  EXPECT_TRUE(has_r2);
  for (const auto& folder : {prefill, generation}) {
    for (const auto& row : rows_of(folder / "variance.csv")) {
      EXPECT_LE(std::stod(row.at("r2_low")), std::stod(row.at("r2_high")));
    }
  }
}

TEST_F(Positions, RolesOfGeneratedTokens) {
  const auto generated = capture("generated");
  const auto out = run({"roles", generated, "--positions", "generated", "--tokenizer", model_,
                        "--permutations", "10", "--shuffles", "3"},
                       "roles");
  EXPECT_EQ(read_json(out / "roles.json")["options"]["positions"], "generated");
  EXPECT_FALSE(rows_of(out / "roles.csv").empty());
  const auto refused =
      run_tool({"roles", capture("all"), "--positions", "generated", "-o", scratch_ / "no", "--quiet"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("holds all positions, no generated tokens"));
}

TEST_F(Positions, ContentRowsAloneAreLookedAt) {
  const auto all = capture("all"), content = capture("content");
  // The same rows, recorded alone or chosen: the same figures.
  const auto chosen =
      run({"balance", all, "--positions", "content", "--bootstrap", "10", "--permutations", "5"}, "b1");
  const auto alone = run({"balance", content, "--bootstrap", "10", "--permutations", "5"}, "b2");
  EXPECT_EQ(read_text(chosen / "balance.csv"), read_text(alone / "balance.csv"));
  EXPECT_NE(
      read_text(chosen / "balance.csv"),
      read_text(run({"balance", all, "--bootstrap", "10", "--permutations", "5"}, "b3") / "balance.csv"));
  const std::vector<std::string> few = {"--tokenizer", model_, "--permutations", "10", "--shuffles", "3"};
  const auto roles = [&](const fs::path& trace, std::vector<std::string> more, const std::string& out) {
    std::vector<std::string> words = {"roles", trace};
    words.insert(words.end(), few.begin(), few.end());
    words.insert(words.end(), more.begin(), more.end());
    return run(words, out);
  };
  EXPECT_EQ(read_text(roles(all, {"--positions", "content"}, "r1") / "roles.csv"),
            read_text(roles(content, {}, "r2") / "roles.csv"));
}

TEST_F(Positions, RolesTakeTheSetsOfAnAudit) {
  const auto all = capture("all"), folder = audit(all, "all", "audit");
  const Json json = read_json(folder / "audit.json");
  for (const std::string set : {"committee", "core", "stable"}) {
    const auto out = run({"roles", all, "--committee", folder, "--set", set, "--tokenizer", model_,
                          "--permutations", "10", "--shuffles", "3"},
                         "roles-" + set);
    std::map<std::string, std::set<std::string>> members, expected;
    for (const auto& row : rows_of(out / "token_information.csv")) {
      if (row.at("in_committee") == "1") members[row.at("layer")].insert(row.at("expert"));
    }
    for (const auto& layer : rows_of(folder / "committees.csv")) {
      std::istringstream ids(layer.at(set));
      for (std::string id; ids >> id;) expected[layer.at("layer")].insert(id);
    }
    EXPECT_EQ(members, expected) << set;
  }
  // Without a bootstrap an audit has no stable sets; a trace's own are found with one.
  const auto plain =
      run({"audit", all, "--bootstrap", "0", "--permutations", "0", "--expert-shuffles", "0"}, "plain");
  const auto refused =
      run_tool({"roles", all, "--committee", plain, "--set", "stable", "-o", scratch_ / "no", "--quiet"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("bootstrap"));
  run({"roles", all, "--set", "stable", "--bootstrap", "20", "--permutations", "5", "--shuffles", "2"},
      "own");
}

TEST_F(Positions, BalanceTakesTheSetsOfAnAudit) {
  const auto all = capture("all"), folder = audit(all, "all", "audit");
  for (const std::string set : {"core", "stable"}) {
    const auto outcome =
        run_tool({"balance", all, "--always", "--committee", folder, "--set", set, "--controls", "2",
                  "--bootstrap", "10", "--permutations", "5", "-o", scratch_ / set, "--quiet"});
    bool too_many = false;
    std::map<std::string, std::string> expected;
    for (const auto& layer : rows_of(folder / "committees.csv")) {
      if (!layer.at(set).empty()) expected[layer.at("layer")] = layer.at(set);
      too_many = too_many || std::stoi(layer.at(set + "_size")) > 4;
    }
    ASSERT_EQ(outcome.exit_code, too_many ? 1 : 0) << outcome.err;
    if (too_many) continue;
    std::map<std::string, std::string> found;
    for (const auto& row : rows_of(scratch_ / set / "always.csv")) {
      if (row.at("kind") == set) found[row.at("layer")] = row.at("experts");
    }
    EXPECT_EQ(found, expected);
  }
}

}  // namespace
}  // namespace committee::cli
