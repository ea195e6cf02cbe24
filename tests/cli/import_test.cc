// What audits of each import's trace allow.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/json.h"
#include "cli/tool.h"
#include "paths.h"
#include "trace/npy_testing.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

using Words = std::vector<std::string>;

class Imports : public testing::Test {
 protected:
  static std::string fixture(const std::string& name) { return fs::path(paths::kFixtures) / name; }

  // Imports, then audits the trace by every kind of contribution.
  void expect_kinds(const Words& source, const Words& allowed) {
    const fs::path trace = scratch_ / "trace", audit = scratch_ / "audit";
    Words import = {"import", "--from"};
    import.insert(import.end(), source.begin(), source.end());
    import.insert(import.end(), {"-o", trace, "--overwrite"});
    const Outcome made = run_tool(import);
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const std::string list =
        std::accumulate(std::next(allowed.begin()), allowed.end(), allowed.front(),
                        [](const std::string& a, const std::string& b) { return a + ", " + b; });
    EXPECT_THAT(made.err, HasSubstr("--eci that they allow: " + list + "\n"));
    for (const std::string eci : {"routing", "executed", "frequency", "reference"}) {
      const Outcome outcome = run_tool({"audit", trace, "-o", audit, "--overwrite", "--quiet", "--eci", eci,
                                        "--bootstrap", "3", "--permutations", "3", "--expert-shuffles", "3"});
      const bool expected = std::find(allowed.begin(), allowed.end(), eci) != allowed.end();
      EXPECT_EQ(outcome.exit_code, expected ? 0 : 1) << source[0] << " " << eci << "\n" << outcome.err;
      if (expected) continue;
      EXPECT_THAT(outcome.err, HasSubstr("--eci " + eci + " needs what this trace lacks, its source (" +
                                         source[0] + ") allows: " + list));
    }
  }

  Scratch scratch_;
};

TEST_F(Imports, NumpySharesAreVectorsOnly) {
  const fs::path folder = scratch_ / "numpy";
  fs::create_directories(folder);
  const std::vector<float> cells = {0.5F,  0.25F, 0.25F, 0.125F, 0.125F, 0.75F,
                                    0.25F, 0.5F,  0.25F, 0.25F,  0.25F,  0.5F};
  for (const char* name : {"numpy/law.npy", "numpy/maths.npy"}) {
    scratch_.file(name, trace::npy_bytes("<f4", "(2, 2, 3)", cells));
  }
  expect_kinds({"npy", folder, "--k", "1"}, {"routing"});
  expect_kinds({"npy", folder, "--k", "1", "--rows", "distribution"},
               {"routing", "executed", "frequency", "reference"});
}

TEST_F(Imports, RouterLogitsAllowAll) {
  for (const char* name : {"trace/hf/masked.safetensors", "trace/hf/softmaxed.npz"}) {
    expect_kinds({"hf", fixture(name), "--k", "2"}, {"routing", "executed", "frequency", "reference"});
  }
}

TEST_F(Imports, IdsAndCountsAreFrequencies) {
  expect_kinds({"vllm", fixture("trace/vllm"), "--experts", "64"}, {"frequency"});
  expect_kinds({"sglang", fixture("trace/sglang/stat.npz"), "--k", "2"}, {"frequency"});
  expect_kinds({"sglang", fixture("trace/sglang/counts.csv"), "--k", "2"}, {"frequency"});
  expect_kinds({"sglang", fixture("trace/sglang/responses.jsonl"), "--k", "2", "--experts", "8"},
               {"frequency"});
  expect_kinds({"llamacpp", fixture("trace/llamacpp/imatrix.gguf")}, {"frequency"});
  expect_kinds({"llamacpp", fixture("trace/llamacpp/expert_stats.json")}, {"frequency"});
  expect_kinds({"reap", scratch_.file("law.json", R"({"layers": {"1": {"total_tokens": 8,
      "expert_frequency": [8, 4, 3, 1]}}})")},
               {"frequency"});
}

TEST_F(Imports, EsftTracesHaveWeightsButNoDistribution) {
  fs::create_directories(scratch_ / "esft/law");
  scratch_.file("esft/law/expert_weights_1.txt", "3\t1\t0\t2\t\t0.2\t0.5\t0.25\t0.25\n5\t4\t\t0.5\t0.5\n");
  expect_kinds({"esft", scratch_ / "esft", "--k", "2", "--experts", "8"},
               {"executed", "frequency", "reference"});
  fs::create_directories(scratch_ / "summary/law");
  scratch_.file("summary/law/summary.json", R"({"token_scores": {"1": {"0": 0.75, "1": 0.25}},
      "gate_scores": {"1": {"0": 0.5, "1": 0.5}}})");
  expect_kinds({"esft", scratch_ / "summary", "--k", "1"}, {"frequency"});
}

TEST_F(Imports, TablesAreSharesOfWeight) {
  for (const char* name : {"long.csv", "long.xlsx", "lists.csv", "lists.xlsx"}) {
    expect_kinds({"table", fixture(std::string("audit/tables/") + name), "--k", "2", "--experts", "6"},
                 {"routing"});
  }
}

}  // namespace
}  // namespace committee::cli
