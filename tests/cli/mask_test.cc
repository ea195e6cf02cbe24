// Masking on real files: what is written, what a resumed run leaves, and what is refused.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "base/json.h"
#include "cli/tool.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Mask : public testing::Test {
 protected:
  Outcome mask(const std::string& out, const std::vector<std::string>& more,
               const fs::path& data = prompts()) {
    std::vector<std::string> arguments = {"mask",      model_, "--data",  data,        "-o", scratch_ / out,
                                          "--compute", "f32",  "--quiet", "--threads", "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_tool(arguments);
  }

  void expect_refused(const Outcome& outcome, const std::string& part) {
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(part));
    EXPECT_FALSE(fs::exists(scratch_ / "no/mask.json"));
  }

  Scratch scratch_;
  const std::string model_ = scratch_.model();
};

TEST_F(Mask, EverySetIsScoredBesideItsControls) {
  const auto outcome =
      mask("out", {"--experts", "0:1,3;1:2", "--controls", "4", "--attention-only", "--bootstrap", "50"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto rows = rows_of(scratch_ / "out/masking.csv");
  ASSERT_EQ(rows.size(), 1u + 2 * 9 + 2);
  EXPECT_EQ(rows[0].at("kind"), "none");
  EXPECT_EQ(rows[0].at("kl"), "0");
  EXPECT_EQ(rows[1].at("experts"), "1 3");
  for (const auto& row : rows) {
    const double shares =
        std::stod(row.at("correct")) + std::stod(row.at("wrong")) + std::stod(row.at("no_answer"));
    EXPECT_NEAR(shares, 1, 1e-12);
    EXPECT_NE(row.at("answer_logprob_low"), "");
  }
  EXPECT_EQ(rows_of(scratch_ / "out/outcomes.csv").size(), rows.size() * 6);
  const Json json = read_json(scratch_ / "out/mask.json");
  EXPECT_EQ(json["complete"], true);
  EXPECT_EQ(json["sentences"].size(), 4u);
  EXPECT_LT(json["work"]["rows"], json["work"]["naive_rows"]);
}

// The unmasked run of the experiment is what a capture scores.
TEST_F(Mask, AgreesWithCapture) {
  ASSERT_EQ(mask("out", {"--experts", "1:2", "--controls", "0"}).exit_code, 0);
  const auto capture = [&](const std::string& out, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"capture",      model_,      "--data", prompts(), "-o",
                                          scratch_ / out, "--compute", "f32",    "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(run_tool(arguments).exit_code, 0);
    std::map<std::string, Json> samples;
    std::istringstream lines(read_text(scratch_ / out / "samples.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const Json sample = Json::parse(line);
      samples[sample["id"].get<std::string>()] = sample;
    }
    return samples;
  };
  std::map<std::string, std::map<std::string, Json>> traces;
  traces["unmasked"] = capture("plain", {});
  traces["given"] = capture("masked", {"--mask", "1:2"});
  for (const auto& row : rows_of(scratch_ / "out/outcomes.csv")) {
    const Json& sample = traces.at(row.at("set")).at(row.at("id"));
    EXPECT_EQ(sample["outcome"], row.at("outcome"));
    EXPECT_NEAR(sample["answer_logprobs"][sample["answer"].get<size_t>()].get<double>(),
                std::stod(row.at("answer_logprob")), 1e-9);
  }
}

TEST_F(Mask, ThreadsAndResumingChangeNoByte) {
  const std::vector<std::string> flags = {"--experts", "0:1,3;1:2", "--together", "--controls", "3"};
  ASSERT_EQ(mask("one", flags).exit_code, 0);
  auto single = flags;
  single.insert(single.end(), {"--threads", "1"});
  // What an interrupted run leaves: its description and the outcomes so far.
  fs::create_directories(scratch_ / "two");
  Json json = read_json(scratch_ / "one/mask.json");
  json["complete"] = false;
  scratch_.file("two/mask.json", json.dump());
  scratch_.file("two/outcomes.partial", "0 0 1 2");  // cut off
  single.push_back("--resume");
  single.erase(std::find(single.begin(), single.end(), "--threads"),
               std::find(single.begin(), single.end(), "--resume"));
  ASSERT_EQ(mask("two", single).exit_code, 0);
  for (const char* file : {"masking.csv", "outcomes.csv"})
    EXPECT_EQ(read_text(scratch_ / "one" / file), read_text(scratch_ / "two" / file)) << file;
  const auto other = mask("two", {"--experts", "0:1", "--resume", "--controls", "3"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.err, HasSubstr("--overwrite"));
}

TEST_F(Mask, GroupsThatFitIntoMemoryChangeNoByte) {
  const std::vector<std::string> flags = {"--experts", "0:1,3;1:2", "--controls", "6"};
  ASSERT_EQ(mask("one", flags).exit_code, 0);
  const auto outcome = run_in_least_memory([&](const std::string& memory) {
    auto limited = flags;
    limited.insert(limited.end(), {"--memory", memory, "--overwrite"});
    return mask("two", limited);
  });
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(read_json(scratch_ / "one/mask.json")["work"]["passes"], 1);
  EXPECT_GT(read_json(scratch_ / "two/mask.json")["work"]["passes"], 1);
  for (const char* file : {"masking.csv", "outcomes.csv"})
    EXPECT_EQ(read_text(scratch_ / "one" / file), read_text(scratch_ / "two" / file)) << file;
}

// A journal that was cut off more than once keeps whole lines only.
TEST_F(Mask, AJournalCutOffTwiceIsStillGoneOnWith) {
  const std::vector<std::string> flags = {"--experts", "1:2", "--controls", "2"};
  ASSERT_EQ(mask("one", flags).exit_code, 0);
  Json json = read_json(scratch_ / "one/mask.json");
  json["complete"] = false;
  fs::create_directories(scratch_ / "two");
  scratch_.file("two/mask.json", json.dump());
  // What is whole is taken as it is, wrong as it is: the first question in all six variants.
  std::string journal;
  for (int v = 0; v < 6; ++v) journal += std::to_string(v) + " 0 0 3 -7.5 0.25\n";
  scratch_.file("two/outcomes.partial", journal + "1 2 1 2");
  auto resumed = flags;
  resumed.push_back("--resume");
  ASSERT_EQ(mask("two", resumed).exit_code, 0);
  const auto rows = rows_of(scratch_ / "two/outcomes.csv"), expected = rows_of(scratch_ / "one/outcomes.csv");
  ASSERT_EQ(rows.size(), expected.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i % 6 == 0) {
      EXPECT_EQ(rows[i].at("answer_logprob"), "-7.5");
    } else {
      EXPECT_EQ(rows[i], expected[i]);
    }
  }
  scratch_.file("two/mask.json", json.dump());
  scratch_.file("two/outcomes.partial", journal + "99 2 1 2 0 0\n");
  const auto refused = mask("two", resumed);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("does not fit the experiment"));
}

TEST_F(Mask, JsonIsWhatTheFolderHolds) {
  const auto outcome = mask("out", {"--experts", "1:2", "--controls", "3", "--matched", "2", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  EXPECT_EQ(json["masking"].size(), 1u + 1 + 2 + 3);
  EXPECT_EQ(json["masking"][1]["kind"], "given");
  EXPECT_TRUE(json["complete"]);
  EXPECT_EQ(json["sentences"], read_json(scratch_ / "out/mask.json")["sentences"]);
}

TEST_F(Mask, AlwaysOnSaysWhetherTheSetIsFree) {
  const auto outcome = mask("out", {"--experts", "1:2", "--controls", "2", "--always-on"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("free"));
}

TEST_F(Mask, WhatMakesNoSenseIsRefused) {
  expect_refused(mask("no", {}), "--committee AUDIT or --experts");
  expect_refused(mask("no", {"--experts", "9:1"}), "layer 9");
  expect_refused(mask("no", {"--experts", "0:16"}), "no expert 16");
  expect_refused(mask("no", {"--experts", "0:0,1,2,3,4,5,6,7,8,9,10,11,12"}), "leaves 3 experts");
  expect_refused(mask("no", {"--experts", "0:1", "--mask-shared"}), "no shared experts");
  const auto text = scratch_.file("t.jsonl", "{\"id\":\"a\",\"domain\":\"d\",\"text\":\"tttt\"}\n");
  expect_refused(mask("no", {"--experts", "0:1"}, text), "multiple choice with an answer");
}

TEST_F(Mask, AnAuditOfAnotherModelIsRefused) {
  const auto run =
      run_tool({"run", model_, "--data", prompts(), "-o", scratch_ / "run", "--quiet", "--compute", "f32",
                "--bootstrap", "20", "--permutations", "0", "--expert-shuffles", "0"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto audit = scratch_ / "run/audit";
  Json json = read_json(audit / "audit.json");
  const auto own = mask("own", {"--committee", audit, "--set", "core", "--controls", "1"});
  EXPECT_EQ(own.exit_code, 0) << own.err;
  json["model"]["fingerprint"] = "0123456789abcdef";
  scratch_.file("run/audit/audit.json", json.dump());
  expect_refused(mask("no", {"--committee", audit}), "another model");
}

}  // namespace
}  // namespace committee::cli
