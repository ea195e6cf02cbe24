// Bad input of every kind: one sentence that names file, item and rule, exit code 1, nothing under the final
// name.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/json.h"
#include "cli/tool.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class BadInput : public testing::Test {
 protected:
  Outcome capture(const fs::path& model, const fs::path& data, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"capture",        model,    "--data", data, "-o",
                                          scratch_ / "out", "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_tool(arguments);
  }

  // Fails with one sentence that holds all of `parts`, and leaves no finished trace.
  void expect_refused(const Outcome& outcome, const std::vector<std::string>& parts) {
    EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    for (const auto& part : parts) EXPECT_THAT(outcome.err, HasSubstr(part));
    EXPECT_FALSE(fs::exists(scratch_ / "out/trace.json") &&
                 read_json(scratch_ / "out/trace.json").value("complete", false));
  }

  void edit_json(const fs::path& file, const std::function<void(Json&)>& edit) {
    Json json = read_json(file);
    edit(json);
    scratch_.file(fs::relative(file, scratch_ / "").string(), json.dump());
  }

  // Writes `value` over the first value of a tensor of dtype BF16.
  void poison(const fs::path& model, const std::string& tensor, float value) {
    std::string bytes = read_text(model / "model.safetensors");
    uint64_t header = 0;
    std::memcpy(&header, bytes.data(), sizeof header);
    const Json json = Json::parse(bytes.substr(8, header));
    const size_t at = 8 + header + json.at(tensor).at("data_offsets").at(0).get<size_t>();
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    const auto half = static_cast<uint16_t>(bits >> 16);
    std::memcpy(bytes.data() + at, &half, sizeof half);
    scratch_.file("model/model.safetensors", bytes);
  }

  Scratch scratch_;
};

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST_F(BadInput, BadUsageIsExitCode2) {
  EXPECT_EQ(run_tool({}).exit_code, 2);
  EXPECT_EQ(run_tool({"no-such-command"}).exit_code, 2);
  EXPECT_EQ(run_tool({"capture"}).exit_code, 2);
  EXPECT_EQ(run_tool({"run", "m", "--data", "d", "-o", "o", "--no-such-flag"}).exit_code, 2);
  EXPECT_EQ(run_tool({"run", "m", "--data", "d", "-o", "o", "--memory", "4Q"}).exit_code, 2);
  EXPECT_EQ(run_tool({"run", "m", "--data", "d", "-o", "o", "--mask", "10;3"}).exit_code, 2);
  EXPECT_EQ(run_tool({"--help"}).exit_code, 0);
  EXPECT_EQ(run_tool({"run", "--help"}).exit_code, 0);
}

TEST_F(BadInput, NoSuchModelOrData) {
  expect_refused(capture(scratch_ / "nowhere", prompts()), {"nowhere"});
  expect_refused(capture(scratch_.model(), scratch_ / "nodata.jsonl"), {"nodata.jsonl"});
}

TEST_F(BadInput, TruncatedWeights) {
  const auto model = scratch_.model();
  const std::string bytes = read_text(model / "model.safetensors");
  scratch_.file("model/model.safetensors", bytes.substr(0, bytes.size() - 100));
  expect_refused(capture(model, prompts()), {"model.safetensors"});
  scratch_.file("model/model.safetensors", std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10));
  expect_refused(capture(model, prompts()), {"model.safetensors", "header"});
}

TEST_F(BadInput, MissingShard) {
  const auto model = scratch_.model();
  fs::remove(model / "model.safetensors");
  scratch_.file("model/model.safetensors.index.json",
                R"({"weight_map":{"model.embed_tokens.weight":"model-00001-of-00002.safetensors"}})");
  expect_refused(capture(model, prompts()), {"model-00001-of-00002.safetensors"});
}

TEST_F(BadInput, ConfigThatTheTensorsDoNotHold) {
  const auto model = scratch_.model();
  edit_json(model / "config.json", [](Json& config) { config["intermediate_size"] = 48; });
  expect_refused(capture(model, prompts()), {"gate_proj", "48", "32"});
}

TEST_F(BadInput, UnknownFamilyListsTheKnown) {
  const auto model = scratch_.model();
  edit_json(model / "config.json", [](Json& config) { config["model_type"] = "perceptron"; });
  expect_refused(capture(model, prompts()), {"perceptron", "olmoe", "qwen3_moe", "deepseek_v2", "mixtral"});
}

TEST_F(BadInput, NaNInWeightsNamesTheTensor) {
  const auto model = scratch_.model();
  const std::string expert = "model.layers.1.mlp.experts.3.down_proj.weight";
  poison(model, expert, kNaN);
  expect_refused(capture(model, prompts(), {"--positions", "all"}), {expert});
  const auto again = scratch_.model("again");
  fs::copy_file(again / "model.safetensors", model / "model.safetensors",
                fs::copy_options::overwrite_existing);
  poison(model, "model.layers.2.mlp.gate.weight", std::numeric_limits<float>::infinity());
  expect_refused(capture(model, prompts(), {"--overwrite"}), {"model.layers.2.mlp.gate.weight"});
}

TEST_F(BadInput, OverflowInTheRouterNamesLayerAndToken) {
  const auto model = scratch_.model();
  poison(model, "model.layers.1.input_layernorm.weight", 3e38F);
  expect_refused(capture(model, prompts(), {"--compute", "f32"}), {"layer 1", "token"});
}

TEST_F(BadInput, MalformedTokenizer) {
  const auto model = scratch_.model();
  scratch_.file("model/tokenizer.json", "{\"model\":");
  expect_refused(capture(model, prompts()), {"tokenizer.json"});
}

TEST_F(BadInput, PromptsNameTheirLine) {
  const auto model = scratch_.model();
  const std::string good = R"({"id":"a","domain":"d","text":"t"})"
                           "\n";
  expect_refused(capture(model, scratch_.file("utf8.jsonl",
                                              good + "{\"id\":\"b\",\"domain\":\"d\",\"text\":\"\xff\"}\n")),
                 {"utf8.jsonl:2", "UTF-8"});
  expect_refused(capture(model, scratch_.file("twice.jsonl", good + good)), {"twice.jsonl:2", "\"a\""});
  expect_refused(capture(model, scratch_.file("bare.jsonl", good + R"({"id":"b","text":"t"})")),
                 {"bare.jsonl:2", "domain"});
  expect_refused(capture(model, scratch_.file("empty.jsonl", "")), {"empty.jsonl"});
  expect_refused(capture(model, scratch_.file("ids.jsonl", R"({"id":"b","domain":"d","tokens":[1,99999]})")),
                 {"ids.jsonl:1", "99999", "768"});
}

TEST_F(BadInput, PromptLongerThanTheModelReads) {
  const auto model = scratch_.model();
  edit_json(model / "config.json", [](Json& config) { config["max_position_embeddings"] = 20; });
  expect_refused(capture(model, prompts()), {"prompts.jsonl:1", "20", "--max-tokens"});
  const auto cut =
      run_tool({"capture", model, "--data", prompts(), "-o", scratch_ / "out", "--max-tokens", "20"});
  EXPECT_EQ(cut.exit_code, 0) << cut.err;
  EXPECT_THAT(cut.err, HasSubstr("cut at the front"));
}

TEST_F(BadInput, AnOutThatIsNotEmpty) {
  const auto model = scratch_.model();
  fs::create_directory(scratch_ / "out");
  scratch_.file("out/precious.txt", "mine");
  for (const char* command : {"capture", "run"}) {
    const auto outcome = run_tool({command, model, "--data", prompts(), "-o", scratch_ / "out", "--quiet"});
    expect_refused(outcome, {"out", "not empty"});
  }
  EXPECT_EQ(read_text(scratch_ / "out/precious.txt"), "mine");
}

TEST_F(BadInput, OverwriteReplacesAnEarlierTrace) {
  const auto model = scratch_.model();
  ASSERT_EQ(capture(model, prompts()).exit_code, 0);
  EXPECT_EQ(capture(model, prompts()).exit_code, 1);
  EXPECT_EQ(capture(model, prompts(), {"--overwrite"}).exit_code, 0);
}

TEST_F(BadInput, MasksThatCannotBe) {
  const auto model = scratch_.model();
  expect_refused(capture(model, prompts(), {"--mask", "7:1"}), {"7"});
  expect_refused(capture(model, prompts(), {"--mask", "0:16"}), {"16"});
  expect_refused(capture(model, prompts(), {"--mask", "0:0,1,2,3,4,5,6,7,8,9,10,11,12"}), {"layer 0"});
}

TEST_F(BadInput, TablesNeedTheReference) {
  const auto table = scratch_.file("t.csv", "layer,domain,expert_idx,expert_weight\n0,a,1,0.5\n");
  expect_refused(run_tool({"audit", table, "-o", scratch_ / "out"}), {"t.csv", "--eci reference"});
}

}  // namespace
}  // namespace committee::cli
