// Routing budgets, re-ranked and with the model run, as a user gets them.

#include "cli/sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "cli/tool.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using Row = std::map<std::string, std::string>;

TEST(Budgets, DefaultsSuitTheModel) {
  EXPECT_THAT(default_budgets(64, 8), ElementsAre(4, 6, 8, 12, 16));
  EXPECT_THAT(default_budgets(8, 2), ElementsAre(2, 4, 6, 8));
  EXPECT_THAT(default_budgets(2, 1), ElementsAre(1));
}

class SweepModel : public testing::Test {
 protected:
  Outcome run(std::vector<std::string> arguments, const std::vector<std::string>& more) {
    arguments.insert(arguments.end(), {"--quiet", "--overwrite"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    if (std::find(more.begin(), more.end(), "--resume") != more.end())
      arguments.erase(std::find(arguments.begin(), arguments.end(), "--overwrite"));
    return run_tool(arguments);
  }
  Outcome sweep(const std::string& out, const std::vector<std::string>& more,
                const std::string& threads = "2") {
    return run({"sweep", model_, "--data", prompts(), "-o", scratch_ / out, "--compute", "f32", "--bootstrap",
                "15", "--permutations", "10", "--threads", threads},
               more);
  }
  void expect_refused(const Outcome& outcome, const std::string& part) {
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(part));
    EXPECT_FALSE(fs::exists(scratch_ / "no"));
  }

  Scratch scratch_;
  const std::string model_ = scratch_.model();
};

// What stands under `rerun` is what a capture with so many experts, audited at that budget, gives; the
// outcomes are those that the capture scores.
TEST_F(SweepModel, EveryBudgetIsACaptureOfItsOwn) {
  const auto outcome = sweep("out", {"--k", "2,4,8", "--positions", "all"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto rows = rows_of(scratch_ / "out/sweep.csv");
  ASSERT_EQ(rows.size(), 2u * 3 * 3);
  for (const std::string k : {"2", "4", "8"}) {
    const std::string trace = scratch_ / ("capture-" + k), audit = scratch_ / ("audit-" + k);
    const auto captured = run({"capture", model_, "--data", prompts(), "-o", trace, "--compute", "f32",
                               "--positions", "all", "--top-k", k},
                              {});
    ASSERT_EQ(captured.exit_code, 0) << captured.err;
    EXPECT_EQ(read_text(fs::path(trace) / "records-00000.safetensors"),
              read_text(scratch_ / ("out/trace-k" + k + "/records-00000.safetensors")));
    const auto audited = run({"audit", trace, "-o", audit, "--k", k, "--bootstrap", "0", "--permutations",
                              "0", "--expert-shuffles", "0"},
                             {});
    ASSERT_EQ(audited.exit_code, 0) << audited.err;
    const auto committees = rows_of(fs::path(audit) / "committees.csv");
    std::vector<Row> reruns;
    std::copy_if(rows.begin(), rows.end(), std::back_inserter(reruns),
                 [&](const Row& row) { return row.at("k") == k && row.at("mode") == "rerun"; });
    ASSERT_EQ(reruns.size(), 3u);
    for (size_t l = 0; l < 3; ++l) {
      EXPECT_EQ(reruns[l].at("committee"), committees[l].at("committee"));
      EXPECT_EQ(reruns[l].at("coverage_topk"), committees[l].at("coverage_topk"));
    }
    std::istringstream lines(read_text(fs::path(trace) / "samples.jsonl"));
    std::map<std::string, Json> samples;
    for (std::string line; std::getline(lines, line);) {
      const Json sample = Json::parse(line);
      samples[sample["id"].get<std::string>()] = sample;
    }
    for (const auto& row : rows_of(scratch_ / "out/outcomes.csv")) {
      if (row.at("set") != "k=" + k) continue;
      const Json& sample = samples.at(row.at("id"));
      EXPECT_EQ(sample["outcome"], row.at("outcome"));
      EXPECT_NEAR(sample["answer_logprobs"][sample["answer"].get<size_t>()].get<double>(),
                  std::stod(row.at("answer_logprob")), 1e-9);
    }
  }
}

TEST_F(SweepModel, BothModesStandInOneTable) {
  const auto outcome = sweep("out", {"--k", "2,8", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  EXPECT_EQ(json["own_budget"], 4);
  ASSERT_EQ(json["budgets"].size(), 6u);  // 2, 8 and the model's own, each twice
  for (size_t i = 0; i < 6; ++i) {
    const Json& row = json["budgets"][i];
    EXPECT_EQ(row["mode"], i < 3 ? "rerank" : "rerun");
    EXPECT_EQ(row["answer_logprob"].is_null(), i < 3);
    if (row["k"] == 4) {
      EXPECT_EQ(row["retention"], 1);
    }
    if (row["k"] == 4 && i >= 3) {
      EXPECT_EQ(row["kl"], 0);
      EXPECT_EQ(row["answer_logprob_difference"], 0);
    }
  }
  EXPECT_GT(json["budgets"][3]["kl"], 0);
  EXPECT_TRUE(json["budgets"][3].contains("answer_logprob_difference_low"));
  EXPECT_EQ(json["sweep"].size(), 18u);
  EXPECT_EQ(read_json(scratch_ / "out/sweep.json")["budgets"], json["budgets"]);
}

TEST_F(SweepModel, ThreadsMemoryAndResumingChangeNoByte) {
  const std::vector<std::string> flags = {"--k", "2,3,5,6,7,8,10,12"};
  ASSERT_EQ(sweep("one", flags).exit_code, 0);
  const auto expect_same = [&](const std::string& other) {
    for (const char* file : {"sweep.csv", "budgets.csv", "outcomes.csv", "trace-k2/records-00000.safetensors",
                             "trace-k8/samples.jsonl", "trace-k8/trace.json"})
      EXPECT_EQ(read_text(scratch_ / "one" / file), read_text(scratch_ / other / file))
          << other << " " << file;
  };
  const auto limited = run_in_least_memory([&](const std::string& memory) {
    auto with = flags;
    with.insert(with.end(), {"--memory", memory});
    return sweep("two", with, "1");
  });
  ASSERT_EQ(limited.exit_code, 0) << limited.err;
  EXPECT_GT(read_json(scratch_ / "two/sweep.json")["work"]["passes"], 1);
  expect_same("two");
  // An interrupted call: one trace is whole, one is not there, a journal is cut off.
  fs::copy(scratch_ / "one", scratch_ / "three", fs::copy_options::recursive);
  Json json = read_json(scratch_ / "one/sweep.json");
  json["complete"] = false;
  scratch_.file("three/sweep.json", json.dump());
  fs::remove_all(scratch_ / "three/trace-k8");
  scratch_.file("three/outcomes.partial", "0 0 1 2");
  const auto resumed = sweep("three", {"--k", flags[1], "--resume"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  expect_same("three");
  const auto other = sweep("three", {"--k", "2", "--resume"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.err, HasSubstr("options \"k\""));
}

TEST_F(SweepModel, TextWithoutAnswersHasCommitteesOnly) {
  const auto text = scratch_.file("t.jsonl",
                                  "{\"id\":\"a\",\"domain\":\"d\",\"text\":\"one two\"}\n"
                                  "{\"id\":\"b\",\"domain\":\"e\",\"text\":\"three four\"}\n");
  const std::vector<std::string> command = {"sweep", model_, "--data", text, "--compute", "f32", "--k", "2"};
  auto unscored = command;
  unscored.insert(unscored.end(), {"-o", scratch_ / "out", "--no-score"});
  const auto outcome = run(unscored, {});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_FALSE(rows_of(scratch_ / "out/budgets.csv")[0].contains("correct"));
  EXPECT_FALSE(fs::exists(scratch_ / "out/outcomes.csv"));
  auto scored = command;
  scored.insert(scored.end(), {"-o", scratch_ / "no"});
  expect_refused(run(scored, {}), "multiple choice with an answer");
}

TEST_F(SweepModel, WhatMakesNoSenseIsRefused) {
  expect_refused(sweep("no", {"--k", "2,17"}), "17 experts a token cannot be executed");
  expect_refused(sweep("no", {"--k", "2,4,2"}), "--k: 2 is there twice");
  expect_refused(sweep("no", {"--positions", "generated"}), "generated");
  expect_refused(sweep("no", {"--k", "4", "--mask", "0:0,1,2,3,4,5,6,7,8,9,10,11,12"}), "leaves 3 experts");
  ASSERT_EQ(sweep("out", {"--k", "2", "--mode", "rerank"}).exit_code, 0);
  EXPECT_EQ(rows_of(scratch_ / "out/sweep.csv").size(), 6u);
  const auto trace = [&](const std::vector<std::string>& more) {
    return run({"sweep", scratch_ / "out/trace-k4", "-o", scratch_ / "no"}, more);
  };
  expect_refused(trace({"--mode", "rerun"}), "needs a MODEL");
  expect_refused(trace({"--k", "3,3"}), "twice");
  expect_refused(trace({"--shots", "2"}), "--shots goes with a MODEL");
  expect_refused(run({"sweep", model_, "-o", scratch_ / "no"}, {}), "needs --data");
}

}  // namespace
}  // namespace committee::cli
