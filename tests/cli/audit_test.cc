// What stands beside every figure, and the warning of few-shot prompts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/json.h"
#include "cli/tool.h"
#include "paths.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;

// MMLU's layout: three subjects of eight questions, their examples in dev.
class Audit : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(data_ / "test");
    fs::copy(fs::path(paths::kFixtures) / "dataset/prompts/dev", data_ / "dev");
    for (const std::string subject : {"elementary_mathematics", "global_facts", "miscellaneous"}) {
      std::string text = "question,choice0,choice1,choice2,choice3,answer\n";
      for (int i = 0; i < 8; ++i) {
        text += std::string(static_cast<size_t>(i + 1), static_cast<char>('a' + i)) + " of " + subject +
                "?,one,two,three,four,1\n";
      }
      scratch_.file("mmlu/test/" + subject + "_test.csv", text);
    }
  }

  fs::path run(const std::vector<std::string>& more) {
    const fs::path out = scratch_ / "out";
    std::vector<std::string> words = {"run", model_,       "--data",      data_,     "--group-by", "subject",
                                      "-o",  out.string(), "--overwrite", "--quiet", "--compute",  "f32"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = run_tool(words);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return out / "audit";
  }

  Json warning(const fs::path& audit, const std::string& code) {
    const Json document = read_json(audit / "audit.json");
    for (const auto& each : document["warnings"]) {
      if (each["code"] == code) return each;
    }
    return nullptr;
  }

  Scratch scratch_;
  const fs::path data_ = scratch_ / "mmlu", model_ = scratch_.model();
};

TEST_F(Audit, FewShotPrefixesAreSeen) {
  const std::vector<std::string> quick = {
      "--positions", "all", "--bootstrap", "0", "--permutations", "0", "--expert-shuffles", "0", "--shots"};
  const auto with = [&](const std::string& shots, const std::string& limit) {
    auto words = quick;
    words.insert(words.end(), {shots, "--limit", limit});
    return warning(run(words), "shared-prefix");
  };
  for (const char* limit : {"8", "1"}) {  // with one sample each there is nothing to compare
    const Json found = with("2", limit);
    ASSERT_TRUE(found.is_object()) << limit;
    EXPECT_GT(found["evidence"]["share"].get<double>(), 0.5);
    ASSERT_EQ(found["evidence"]["groups"].size(), 3u);
    EXPECT_GT(found["evidence"]["groups"][0]["prefix_tokens"].get<int>(), 20);
    EXPECT_TRUE(with("0", limit).is_null()) << limit;
  }
}

// Of each figure: value, floor, permuted mean and interval, p-value, bootstrap interval; what is not there is
// named here and in docs/audit-json.md with its reason.
TEST_F(Audit, EveryFigureStandsBesideItsBaselines) {
  const fs::path audit = run({"--bootstrap", "20", "--permutations", "20", "--expert-shuffles", "5"});
  using Set = std::set<std::string>;
  const Set all = {"floor", "permuted_mean", "permuted_low", "permuted_high", "p_value", "low", "high"};
  const Set no_floor = {"permuted_mean", "permuted_low", "permuted_high", "p_value", "low", "high"};
  const Set of_load = {"floor", "low", "high"};  // shuffled labels change nothing
  const std::map<std::string, std::map<std::string, Set>> wanted = {
      {"committees",
       {{"size", all},
        {"core_size", all},
        {"avg_rank", all},
        {"rank_variance", all},
        {"coverage_full", all},
        {"coverage_topk", all},
        {"ratio_full", all},
        {"ratio_topk", all},
        {"excess_topk", all}}},
      {"experts", {{"contribution", all}, {"presence", all}, {"avg_rank", all}, {"rank_variance", all}}},
      {"contributions", {{"contribution", all}}},
      {"sharing", {{"jaccard_mean", all}, {"jaccard_min", all}, {"jaccard_max", all}}},
      {"jaccard_pairs", {{"jaccard", all}}},
      {"concentration", {{"gini_full", all}, {"gini_topk", all}, {"used_experts", all}}},
      {"load",
       {{"routing_entropy", of_load},
        {"load_entropy", of_load},
        {"effective_experts", of_load},
        {"max_over_mean", of_load},
        {"unused", of_load}}},
      {"specificity", {{"silhouette", no_floor}}},
      {"variance", {{"r2", all}}},
      {"summary", {{"value", all}}}};
  // Columns whose names the contract gives otherwise.
  const std::map<std::string, std::string> renamed = {{"sharing/jaccard_mean_floor", "chance"},
                                                      {"sharing/jaccard_mean_permuted_mean", "permuted_mean"},
                                                      {"sharing/jaccard_mean_permuted_low", "permuted_low"},
                                                      {"sharing/jaccard_mean_permuted_high", "permuted_high"},
                                                      {"sharing/jaccard_mean_p_value", "p_value"},
                                                      {"concentration/gini_topk_floor", "gini_floor"},
                                                      {"variance/r2_p_value", "p_value"}};
  for (const auto& [file, figures] : wanted) {
    const auto rows = rows_of(audit / (file + ".csv"));
    ASSERT_FALSE(rows.empty()) << file;
    for (const auto& [figure, suffixes] : figures) {
      for (const std::string& suffix : suffixes) {
        const auto name = renamed.find(file + "/" + figure + "_" + suffix);
        const std::string column = name == renamed.end() ? figure + "_" + suffix : name->second;
        EXPECT_TRUE(std::any_of(rows.begin(), rows.end(),
                                [&](auto row) { return row.contains(column) && !row[column].empty(); }))
            << file << ".csv has no " << column;
      }
    }
  }
  Set summarised;
  for (auto row : rows_of(audit / "summary.csv")) summarised.insert(row["figure"]);
  EXPECT_EQ(summarised.size(), 22u) << "every figure of a layer";
}

}  // namespace
}  // namespace committee::cli
