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

class BalanceModel : public testing::Test {
 protected:
  Outcome balance(const std::string& out, const std::vector<std::string>& more, const std::string& input) {
    std::vector<std::string> arguments = {
        "balance", input, "-o", scratch_ / out, "--bootstrap", "20", "--permutations", "10", "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_tool(arguments);
  }
  Outcome on_model(const std::string& out, const std::vector<std::string>& more,
                   const std::string& threads = "2") {
    std::vector<std::string> arguments = {"--data", data_, "--compute", "f32", "--threads", threads};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return balance(out, arguments, model_);
  }

  Scratch scratch_;
  const std::string model_ = scratch_.model(), data_ = questions(scratch_);
};

TEST_F(BalanceModel, EveryLayerIsRunWithItsBiases) {
  const auto outcome = on_model("out", {});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto layers = rows_of(scratch_ / "out/balance.csv");
  ASSERT_EQ(layers.size(), 3u);
  // What the first layer reads is not changed by any bias: there the rerun does what the trace foretold.
  EXPECT_NEAR(std::stod(layers[0].at("worst_load_rerun")), std::stod(layers[0].at("worst_load_balanced")),
              1e-9);
  EXPECT_GT(std::stod(layers[0].at("worst_load")), std::stod(layers[0].at("worst_load_rerun")));
  const auto sets = rows_of(scratch_ / "out/balancing.csv");
  ASSERT_EQ(sets.size(), 1u + 1 + 3);
  EXPECT_EQ(sets[0].at("kind"), "none");
  EXPECT_EQ(sets[1].at("layer"), "0 1 2");
  for (size_t l = 0; l < 3; ++l) {
    EXPECT_EQ(sets[2 + l].at("kind"), "balanced");
    EXPECT_EQ(layers[l].at("answer_logprob"), sets[2 + l].at("answer_logprob"));
    EXPECT_GT(std::stod(layers[l].at("kl")), 0);
    EXPECT_NE(layers[l].at("answer_logprob_difference_low"), "");
  }
  const Json json = read_json(scratch_ / "out/balance.json");
  EXPECT_EQ(json["complete"], true);
  EXPECT_LT(json["work"]["rows"], json["work"]["naive_rows"]);
  EXPECT_EQ(rows_of(scratch_ / "out/outcomes.csv").size(), sets.size() * 6);
}

TEST_F(BalanceModel, TheAlwaysOnCommitteeStandsBesideControls) {
  const auto outcome = on_model(
      "out", {"--always", "--experts", "1:2,5", "--layers", "1", "--controls", "3", "--matched", "4"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto sets = rows_of(scratch_ / "out/balancing.csv");
  ASSERT_EQ(sets.size(), 1u + 1 + 1 + 1 + 4 + 3);
  EXPECT_EQ(sets[3].at("kind"), "given");
  EXPECT_NE(sets[3].at("answer_logprob_p_matched"), "");
  EXPECT_EQ(sets[4].at("kind"), "matched");
  EXPECT_EQ(sets[10].at("kind"), "random");
  EXPECT_THAT(outcome.out, HasSubstr("free"));

  // The same set asked of mask is scored the same.
  const auto mask = run_tool({"mask", model_, "--data", data_, "--compute", "f32", "--quiet", "-o",
                              scratch_ / "mask", "--experts", "1:2,5", "--always-on", "--controls", "0"});
  ASSERT_EQ(mask.exit_code, 0) << mask.err;
  EXPECT_EQ(rows_of(scratch_ / "mask/masking.csv")[1].at("answer_logprob"), sets[3].at("answer_logprob"));

  const auto trace =
      balance("trace-out", {"--always", "--layers", "1", "--experts", "1:2,5", "--controls", "3"},
              scratch_ / "out/trace");
  ASSERT_EQ(trace.exit_code, 0) << trace.err;
  const auto costs = rows_of(scratch_ / "trace-out/always.csv");
  ASSERT_EQ(costs.size(), 7u);
  EXPECT_GT(std::stod(costs[0].at("mass_lost")), 0);
  EXPECT_EQ(costs[0].at("slot_share"), sets[3].at("slot_share"));
}

TEST_F(BalanceModel, ResumesToTheSameBytes) {
  ASSERT_EQ(on_model("one", {"--always", "--controls", "2"}).exit_code, 0);
  const auto finished = on_model("one", {"--always", "--controls", "2", "--resume", "--json"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(Json::parse(finished.out)["balance"].size(), 3u);
  EXPECT_TRUE(Json::parse(finished.out)["complete"]);
  // What an interrupted call leaves: the trace, the description and the outcomes so far.
  fs::create_directories(scratch_ / "two");
  fs::copy(scratch_ / "one/trace", scratch_ / "two/trace", fs::copy_options::recursive);
  Json json = read_json(scratch_ / "one/balance.json");
  json["complete"] = false;
  scratch_.file("two/balance.json", json.dump());
  scratch_.file("two/outcomes.partial", "0 0 1 2");  // cut off
  ASSERT_EQ(on_model("two", {"--always", "--controls", "2", "--resume"}, "1").exit_code, 0);
  for (const char* file : {"balance.csv", "balancing.csv", "outcomes.csv", "biases.json"})
    EXPECT_EQ(read_text(scratch_ / "one" / file), read_text(scratch_ / "two" / file)) << file;
}

TEST_F(BalanceModel, WhatMakesNoSenseIsRefused) {
  const auto refused = [&](const Outcome& outcome, const std::string& part) {
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(part));
    EXPECT_FALSE(fs::exists(scratch_ / "no"));
  };
  refused(on_model("no", {"--layers", "9"}), "layer 9");
  refused(on_model("no", {"--layers", "1,1"}), "twice");
  refused(on_model("no", {"--no-score"}), "--no-score");
  refused(on_model("no", {"--positions", "generated"}), "generated");
  refused(on_model("no", {"--always", "--experts", "1:0,1,2,3,4"}), "more than the 4 of a token");
  refused(balance("no", {}, model_), "needs --data");
  ASSERT_EQ(on_model("out", {}).exit_code, 0);
  refused(balance("no", {"--limit", "3"}, scratch_ / "out/trace"), "--limit goes with a MODEL");
  refused(balance("no", {"--positions", "generated"}, scratch_ / "out/trace"), "no generated tokens");
  refused(balance("no", {"--data", data_}, scratch_ / "out/trace"), "is a trace");
  EXPECT_EQ(on_model("no", {"--controls", "3"}).exit_code, 2);
}

}  // namespace
}  // namespace committee::cli
