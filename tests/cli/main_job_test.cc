// The main job on real files, from checkpoint and prompts to the audit's tables.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/csv.h"
#include "base/json.h"
#include "cli/tool.h"
#include "paths.h"
#include "trace/reader.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::vector<std::string> header_of(const fs::path& csv) {
  const std::string text = read_text(csv);
  auto record = CsvReader(text, csv.string()).next();
  return record ? record->cells : std::vector<std::string>();
}

class MainJob : public testing::Test {
 protected:
  std::vector<std::string> command(const std::string& name, const fs::path& out) {
    return {name, model_, "--data", prompts(), "-o", out, "--compute", "f32", "--quiet", "--threads", "2"};
  }
  Outcome call(const std::string& name, const fs::path& out, const std::vector<std::string>& more = {}) {
    auto arguments = command(name, out);
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_tool(arguments);
  }

  Scratch scratch_;
  const std::string model_ = scratch_.model();
};

TEST_F(MainJob, LeavesTraceAuditAndReport) {
  const fs::path out = scratch_ / "out";
  const auto outcome = call("run", out, {"--bootstrap", "20", "--permutations", "20"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, HasSubstr("ommittee"));
  const std::map<std::string, std::vector<std::string>> columns = {
      {"committees",
       {"layer", "size", "committee", "core_size", "core", "avg_rank", "rank_variance", "coverage_full",
        "coverage_topk", "ratio_full", "ratio_topk", "stable_size", "stable"}},
      {"experts",
       {"layer", "expert", "contribution", "presence", "avg_rank", "rank_variance", "candidate",
        "in_committee", "inclusion"}},
      {"contributions", {"layer", "domain", "expert", "contribution", "rank"}},
      {"sharing",
       {"layer", "jaccard_mean", "jaccard_min", "jaccard_max", "chance", "permuted_mean", "permuted_low",
        "permuted_high", "p_value"}},
      {"jaccard_pairs", {"layer", "domain_a", "domain_b", "jaccard"}},
      {"concentration", {"layer", "gini_full", "gini_topk", "gini_floor", "used_experts"}},
      {"lorenz", {"layer", "share_of_experts", "share_of_contribution"}},
      {"load", {"layer", "routing_entropy", "load_entropy", "effective_experts", "max_over_mean", "unused"}},
      {"specificity", {"layer", "domain", "samples", "silhouette"}},
      {"variance", {"layer", "r2", "p_value"}}};
  for (const auto& [file, wanted] : columns) {
    const auto header = header_of(out / "audit" / (file + ".csv"));
    for (const auto& column : wanted) EXPECT_THAT(header, testing::Contains(column)) << file;
  }
  EXPECT_EQ(read_json(out / "trace/trace.json")["complete"], true);
  EXPECT_TRUE(read_json(out / "audit/audit.json").is_object());
}

TEST_F(MainJob, RecordsThePositionsAskedFor) {
  const auto rows = [&](const std::string& positions) {
    const fs::path out = scratch_ / positions;
    const auto outcome = call("capture", out, {"--positions", positions});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return trace::Trace::open(out).rows();
  };
  const auto last = rows("last"), content = rows("content"), all = rows("all");
  EXPECT_EQ(last, 8);
  EXPECT_GT(content, last);
  EXPECT_GT(all, content);
}

TEST_F(MainJob, ContentIsTheQuestionsOwnText) {
  const fs::path data = scratch_.file(
      "one.jsonl", R"({"id":"a","domain":"d","question":"tttttt","choices":["uuuuuu","vvvvvv"],"answer":0})"
                   "\n");
  const fs::path out = scratch_ / "trace";
  const auto outcome =
      run_tool({"capture", model_, "--data", data, "-o", out, "--positions", "all", "--quiet"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto trace = trace::Trace::open(out);
  const auto block = trace.labels(0);
  const Json vocabulary = read_json(fs::path(model_) / "tokenizer.json")["model"]["vocab"];
  std::map<int, std::string> piece;
  for (const auto& [text, id] : vocabulary.items()) piece[id] = text;
  std::string own, others;
  for (int64_t i = 0; i < block.rows; ++i) {
    (block.content[i] != 0 ? own : others) += piece[block.token[i]];
  }
  EXPECT_EQ(own, "ttttttĠuuuuuuĠvvvvvv");
  EXPECT_THAT(others, HasSubstr("Answer:"));
}

TEST_F(MainJob, ThreadsAndMemoryChangeNoByte) {
  const auto bytes = [&](const std::string& name, const std::vector<std::string>& flags) {
    const fs::path out = scratch_ / name;
    std::vector<std::string> arguments = {"capture", model_,        "--data", prompts(), "-o",
                                          out,       "--positions", "all",    "--quiet"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const auto outcome = run_tool(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return read_text(out / "records-00001.safetensors") + read_text(out / "samples.jsonl");
  };
  const std::string one = bytes("one", {"--threads", "1"});
  EXPECT_EQ(one, bytes("three", {"--threads", "3"}));
  EXPECT_GT(one.size(), 1000u);
}

TEST_F(MainJob, ScoresMultipleChoice) {
  const fs::path out = scratch_ / "trace";
  ASSERT_EQ(call("capture", out).exit_code, 0);
  int scored = 0;
  std::istringstream lines(read_text(out / "samples.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const Json sample = Json::parse(line);
    if (!sample.contains("answer")) continue;
    ++scored;
    EXPECT_EQ(sample["answer_logprobs"].size(), 4u);
    EXPECT_TRUE(std::set<std::string>({"correct", "wrong", "no_answer"}).contains(sample["outcome"])) << line;
  }
  EXPECT_EQ(scored, 6);

  const fs::path unscored = scratch_ / "unscored";
  ASSERT_EQ(call("capture", unscored, {"--no-score"}).exit_code, 0);
  EXPECT_THAT(read_text(unscored / "samples.jsonl"), testing::Not(HasSubstr("argmax_token")));
}

TEST_F(MainJob, OneTraceServesSeveralPositions) {
  const fs::path out = scratch_ / "out";
  const auto outcome = call("run", out,
                            {"--positions", "all", "--audit-positions", "last,content", "--bootstrap", "0",
                             "--permutations", "0", "--expert-shuffles", "0"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(read_text(out / "audit/contributions.csv"), read_text(out / "audit-content/contributions.csv"));
}

TEST_F(MainJob, InspectShowsEachThing) {
  const fs::path out = scratch_ / "out";
  ASSERT_EQ(call("run", out, {"--bootstrap", "0", "--permutations", "0", "--expert-shuffles", "0"}).exit_code,
            0);
  EXPECT_THAT(run_tool({"inspect", model_}).out, HasSubstr("16 of width 32"));
  EXPECT_THAT(run_tool({"inspect", out / "trace"}).out, HasSubstr("text (2)"));
  EXPECT_THAT(run_tool({"inspect", out / "audit"}).out, HasSubstr("4 of 16 experts"));
  const auto json = Json::parse(run_tool({"inspect", model_, "--json"}).out);
  EXPECT_EQ(json["experts"], 16);
  EXPECT_THAT(run_tool({"report", out / "audit"}).out, HasSubstr("ommittee"));
}

TEST_F(MainJob, ImportedArraysAreAudited) {
  const fs::path arrays = fs::path(paths::kFixtures) / "audit/synthetic/input";
  const fs::path trace = scratch_ / "trace", audit = scratch_ / "audit";
  auto outcome = run_tool({"import", "--from", "npy", arrays, "--k", "4", "-o", trace});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  outcome = run_tool(
      {"audit", trace, "-o", audit, "--bootstrap", "0", "--permutations", "0", "--expert-shuffles", "0"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto expected = read_text(fs::path(paths::kFixtures) / "audit/synthetic/expected/jaccard_pairs.csv");
  EXPECT_EQ(std::count(expected.begin(), expected.end(), '\n'), 1 + 3 * 15);
  const auto got = read_text(audit / "jaccard_pairs.csv");
  EXPECT_EQ(std::count(got.begin(), got.end(), '\n'), 1 + 3 * 15);
  EXPECT_THAT(run_tool({"audit", trace, "-o", scratch_ / "no", "--eci", "frequency"}).err,
              HasSubstr("frequency"));
}

TEST_F(MainJob, TokenizePrintsIds) {
  EXPECT_EQ(run_tool({"tokenize", model_, "--text", "Answer: A"}).out.front(), '[');
  const fs::path lines = scratch_.file("t.jsonl", "{\"text\":\"Answer:\"}\n{\"text\":\"\"}\n");
  const auto outcome = run_tool({"tokenize", model_, "--file", lines});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 2);
  EXPECT_THAT(outcome.out, testing::EndsWith("\n[]\n"));
}

}  // namespace
}  // namespace committee::cli
