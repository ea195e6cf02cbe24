#include "cli/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/json.h"
#include "cli/tool.h"
#include "engine/compute.h"
#include "trace/reader.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Verify : public testing::Test {
 protected:
  Outcome capture(const fs::path& out, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"capture", model_, "--data",    prompts(),
                                          "-o",      out,    "--threads", "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_tool(arguments);
  }

  // What verify() finds of a trace, whatever that was computed in.
  Json check(const fs::path& trace, const std::string& positions, int64_t count) {
    CaptureFlags flags;
    flags.model = model_;
    flags.data.data = prompts();
    flags.recording.positions = positions;
    flags.machine.threads = 2;
    flags.verify = count;
    const auto model = model::Model::open(model_);
    const std::optional<tokenizer::Tokenizer> tokenizer = tokenizer::Tokenizer::load(model_);
    ThreadPool pool(1);
    const auto prepared = prepare_prompts(flags.data, flags.recording, 0, model.config(), tokenizer, pool);
    sentence_ = verify(flags, model, prepared, {}, trace);
    return read_json(trace / "verify.json");
  }

  Scratch scratch_;
  const std::string model_ = scratch_.model();
  std::string sentence_;
};

TEST_F(Verify, FindsNoDifferenceToWhatFloat32Recorded) {
  for (const std::string positions : {"last", "all", "content", "generated"}) {
    for (const std::string record : {"full", "topk"}) {
      const fs::path out = scratch_ / (positions + record);
      const auto made = capture(out, {"--compute", "f32", "--positions", positions, "--record", record});
      ASSERT_EQ(made.exit_code, 0) << made.err;
      const Json found = check(out, positions, 100);
      EXPECT_EQ(found["prompts"], 8) << positions;
      EXPECT_EQ(found["rows"], trace::Trace::open(out).rows());
      EXPECT_EQ(found["equal_sets"], 1.0);
      EXPECT_EQ(found["committee_unchanged"], true);
      for (const Json& layer : found["layers"]) {
        EXPECT_EQ(layer["largest_probability_difference"], record == "full" ? Json(0.0) : Json(nullptr));
        EXPECT_EQ(layer["committee"], layer["committee_f32"]);
      }
      EXPECT_THAT(sentence_,
                  HasSubstr("8 prompts once more in float32: 100.00% of the top-k sets are equal"));
      EXPECT_THAT(sentence_, HasSubstr("their committees are unchanged"));
    }
  }
}

// A trace of other routing: experts that every prompt used are gone.
TEST_F(Verify, FindsWhatDiffers) {
  const fs::path plain = scratch_ / "plain", masked = scratch_ / "masked";
  ASSERT_EQ(capture(plain, {"--compute", "f32"}).exit_code, 0);
  const Json committee = check(plain, "last", 8)["layers"][0]["committee"];
  ASSERT_FALSE(committee.empty());
  const std::string set =
      fmt::format("{}:{}", trace::Trace::open(plain).manifest().model.moe_layers[0], committee[0].get<int>());
  ASSERT_EQ(capture(masked, {"--compute", "f32", "--mask", set}).exit_code, 0);
  const Json found = check(masked, "last", 8);
  EXPECT_LT(found["equal_sets"], 1.0);
  EXPECT_LT(found["layers"][0]["equal_sets"], 0.5);
  EXPECT_GT(found["layers"][0]["largest_probability_difference"], 0.0);
  EXPECT_EQ(found["layers"][0]["committee_unchanged"], false);
  EXPECT_EQ(found["committee_unchanged"], false);
  EXPECT_THAT(sentence_, HasSubstr("their committees change in the layers"));
}

TEST_F(Verify, TakesPromptsOfEveryDomainInTurn) {
  const fs::path out = scratch_ / "out";
  ASSERT_EQ(capture(out, {"--compute", "f32"}).exit_code, 0);
  const Json found = check(out, "last", 4);
  EXPECT_EQ(found["prompts"], 4);
  const auto trace = trace::Trace::open(out);
  std::set<std::string> domains;
  for (const auto& sample : trace.samples()) {
    for (const Json& id : found["samples"]) {
      if (id == sample.id) domains.insert(sample.domain);
    }
  }
  EXPECT_EQ(domains.size(), 4u);
}

TEST_F(Verify, SaysWhatBF16Changes) {
  if (!engine::can_compute(engine::Compute::kBF16)) GTEST_SKIP() << "this processor cannot multiply bf16";
  const fs::path out = scratch_ / "out";
  const auto outcome =
      run_tool({"run", model_, "--data", prompts(), "-o", out, "--compute", "bf16", "--verify", "3",
                "--bootstrap", "0", "--permutations", "0", "--expert-shuffles", "0"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("3 prompts once more in float32: "));
  const Json found = read_json(out / "trace/verify.json");
  EXPECT_EQ(found["compute"], "bf16");
  EXPECT_GT(found["layers"][0]["largest_probability_difference"], 0.0);
  EXPECT_GT(found["equal_sets"], 0.5);
}

TEST_F(Verify, IsRefusedWhereItWouldCompareFloat32WithItself) {
  const fs::path out = scratch_ / "out";
  const auto outcome = capture(out, {"--compute", "f32", "--verify", "3"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err,
              HasSubstr("--verify compares BF16 with float32, and this capture computes in float32"));
  EXPECT_FALSE(fs::exists(out));
  EXPECT_EQ(capture(out, {"--verify", "0"}).exit_code, 2);
}

}  // namespace
}  // namespace committee::cli
