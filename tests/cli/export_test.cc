// `export` run as a user does.

#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "cli/tool.h"
#include "paths.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Export : public testing::Test {
 protected:
  void SetUp() override {
    const auto outcome =
        run_tool({"run", model_, "--data", prompts(), "-o", scratch_ / "out", "--compute", "f32", "--quiet",
                  "--bootstrap", "10", "--permutations", "0", "--expert-shuffles", "0"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  }
  Outcome to(const std::string& kind, const std::string& file, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"export", scratch_ / "out/audit", "--to", kind,
                                          "-o",     scratch_ / file};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_tool(arguments);
  }
  void expect_refused(const Outcome& outcome, const std::string& part) {
    EXPECT_EQ(outcome.exit_code, 1) << outcome.out;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(part));
  }

  Scratch scratch_;
  const std::string model_ = scratch_.model();
};

TEST_F(Export, EveryKindHasItsFile) {
  ASSERT_EQ(to("eplb", "w.json").exit_code, 0);
  const Json weight = read_json(scratch_ / "w.json")["weight"];
  double slots = 0;
  for (const auto& count : weight[0]) slots += count.get<double>();
  EXPECT_EQ(slots, 8 * 4);  // eight prompts at the last position, four experts each
  ASSERT_EQ(to("eplb", "w.npy").exit_code, 0);
  EXPECT_THAT(read_text(scratch_ / "w.npy"), HasSubstr("'shape': (3, 16)"));
  ASSERT_EQ(to("sglang", "s.json", {"--model", model_}).exit_code, 0);
  EXPECT_EQ(read_json(scratch_ / "s.json")["logical_count"].size(), 3u);
  ASSERT_EQ(to("sglang", "m.json", {"--slots", "20", "--gpus", "4"}).exit_code, 0);
  EXPECT_EQ(read_json(scratch_ / "m.json")["physical_to_logical_map"][0].size(), 20u);
  ASSERT_EQ(to("tensorrt-llm", "trt").exit_code, 0);
  EXPECT_EQ(read_json(scratch_ / "trt/meta_info.json")["num_experts"], 16);
  EXPECT_TRUE(fs::exists(scratch_ / "trt/rank0.safetensors"));
  expect_refused(to("tensorrt-llm", "trt"), "not empty");
}

TEST_F(Export, SglangCountsComeBack) {
  ASSERT_EQ(to("sglang", "s.json").exit_code, 0);
  const auto outcome =
      run_tool({"import", "--from", "sglang", scratch_ / "s.json", "--k", "4", "-o", scratch_ / "back"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
}

TEST_F(Export, TheAuthorsTableMakesTheSameCommittees) {
  const fs::path arrays = fs::path(paths::kFixtures) / "audit/synthetic/input",
                 audit = scratch_ / "synthetic";
  ASSERT_EQ(run_tool({"import", "--from", "npy", arrays, "--k", "4", "-o", scratch_ / "trace"}).exit_code, 0);
  ASSERT_EQ(run_tool({"audit", scratch_ / "trace", "-o", audit, "--bootstrap", "0", "--permutations", "0",
                      "--expert-shuffles", "0"})
                .exit_code,
            0);
  ASSERT_EQ(run_tool({"export", audit, "--to", "authors", "-o", scratch_ / "a.csv"}).exit_code, 0);
  const auto outcome =
      run_tool({"audit", scratch_ / "a.csv", "--eci", "reference", "--k", "4", "-o", scratch_ / "ref"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  int compared = 0;
  const Json layers = read_json(audit / "audit.json")["layers"];
  for (const auto& layer : layers) {
    const auto committee = layer["committee"].get<std::vector<int>>();
    if (committee.empty()) continue;  // their script falls back
    ++compared;
    const bool one = committee.size() == 1;
    EXPECT_THAT(outcome.out, HasSubstr(fmt::format(fmt::runtime(one ? "\n{},{},{}," : "\n{},\"{}\",{},"),
                                                   layer["layer"].get<int>(), fmt::join(committee, ", "),
                                                   committee.size())));
  }
  EXPECT_GT(compared, 0);
}

TEST_F(Export, APinningPlanFitsItsBytes) {
  const auto outcome = to("pinning", "p.json", {"--expert-bytes", "1000", "--bytes", "5500", "--seed", "3"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("5 of 48 experts kept"));
  const Json plan = read_json(scratch_ / "p.json");
  EXPECT_EQ(plan["experts"], 5);
  EXPECT_EQ(plan["seed"], 3);
  ASSERT_EQ(to("pinning", "again.json",
               {"--expert-bytes", "1000", "--bytes", "5500", "--seed", "3", "--threads", "1"})
                .exit_code,
            0);
  EXPECT_EQ(read_json(scratch_ / "again.json")["plans"], plan["plans"]);
  const auto split = to("pinning", "e.json", {"--experts-per-layer", "2", "--model", model_, "--json"});
  ASSERT_EQ(split.exit_code, 0) << split.err;
  EXPECT_EQ(split.out, read_text(scratch_ / "e.json"));
  const Json layers = read_json(scratch_ / "e.json")["layers"];
  EXPECT_EQ(layers.size(), 3u);
  for (const auto& layer : layers) EXPECT_EQ(layer["experts"].size(), 2u);
}

TEST_F(Export, BadInput) {
  expect_refused(to("eplb", "w.txt"), ".json or .npy");
  expect_refused(to("sglang", "w.txt"), ".json");
  expect_refused(to("pinning", "p.json"), "--bytes or --experts-per-layer");
  expect_refused(to("pinning", "p.json", {"--bytes", "1M"}), "--expert-bytes");
  expect_refused(to("pinning", "p.json", {"--bytes", "10", "--expert-bytes", "11"}), "holds no expert");
  expect_refused(to("pinning", "p.json", {"--experts-per-layer", "17"}), "16 experts");
  expect_refused(to("eplb", "w.json", {"--bytes", "1M"}), "--bytes goes with --to pinning");
  expect_refused(to("sglang", "m.json", {"--slots", "20"}), "--gpus");
  expect_refused(to("sglang", "m.json", {"--slots", "18", "--gpus", "4"}), "multiple");
  expect_refused(to("sglang", "m.json", {"--slots", "8", "--gpus", "4"}), "at least");
  EXPECT_EQ(to("vllm", "v.json").exit_code, 2);
  EXPECT_EQ(to("pinning", "p.json", {"--bytes", "4Q"}).exit_code, 2);
  EXPECT_FALSE(fs::exists(scratch_ / "p.json"));

  const fs::path alone = scratch_ / "alone";
  fs::create_directory(alone);
  fs::copy(scratch_ / "out/audit", alone / "audit");
  expect_refused(run_tool({"export", alone / "audit", "--to", "eplb", "-o", scratch_ / "w.json"}), "--trace");
  const fs::path arrays = fs::path(paths::kFixtures) / "audit/synthetic/input";
  ASSERT_EQ(run_tool({"import", "--from", "npy", arrays, "--k", "4", "-o", scratch_ / "other"}).exit_code, 0);
  expect_refused(to("eplb", "w.json", {"--trace", scratch_ / "other"}), "not the trace");
  expect_refused(run_tool({"export", scratch_ / "nowhere", "--to", "authors", "-o", scratch_ / "a.csv"}),
                 "nowhere");
}

}  // namespace
}  // namespace committee::cli
