#include "model/weights.h"

#include <algorithm>
#include <functional>
#include <map>

#include "files.h"
#include "model/checkpoint.h"
#include "model/summary.h"

namespace committee::model {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Shape = std::vector<int64_t>;

void rename_part(std::vector<Made>& tensors, const std::string& from, const std::string& to) {
  for (Made& tensor : tensors) {
    if (const size_t at = tensor.name.find(from); at != std::string::npos) {
      tensor.name = tensor.name.substr(0, at) + to + tensor.name.substr(at + from.size());
    }
  }
}

// The checkpoint after a change of its tensors must be refused with a sentence that has all of these.
std::string refused(const std::string& checkpoint, const std::function<void(std::vector<Made>&)>& change) {
  std::vector<Made> tensors = listed_tensors(checkpoint);
  change(tensors);
  const auto folder = write_checkpoint(test_folder(), listed_config(checkpoint), tensors);
  return error_of([&] { Model::open(folder); });
}

class EveryFamily : public testing::TestWithParam<const char*> {};

// Names and shapes are those that transformers gave its checkpoints.
TEST_P(EveryFamily, TakesEachTensorOnce) {
  const auto tensors = listed_tensors(GetParam());
  const auto folder = write_checkpoint(test_folder(), listed_config(GetParam()), tensors);
  const Model model = Model::open(folder);
  uint64_t values = 0;
  for (const Made& tensor : tensors) {
    uint64_t count = 1;
    for (const int64_t size : tensor.shape) count *= static_cast<uint64_t>(size);
    values += count;
  }
  EXPECT_EQ(count_parameters(model.config()).total, values);

  const ParameterCount count = count_parameters(model.config());
  size_t in_layers = 0;
  for (int layer = 0; layer < model.config().layers; ++layer) in_layers += model.layer_bytes(layer);
  EXPECT_EQ(in_layers, (count.total - count.embedding - static_cast<uint64_t>(model.config().d_model)) *
                           Made::width(tensors[0].dtype));
}

INSTANTIATE_TEST_SUITE_P(Weights, EveryFamily,
                         testing::Values("olmoe", "olmoe-clip-gqa-f32", "qwen3_moe-sharded",
                                         "qwen3_moe-step2-tied-f16", "deepseek_v2-lite",
                                         "deepseek_v2-groups-qlora", "mixtral", "qwen2_moe", "deepseek_v3",
                                         "glm4_moe"));

TEST(Weights, KeepsRolesApart) {
  const auto folder = write_checkpoint(test_folder(), listed_config("qwen2_moe"), filled("qwen2_moe"));
  const Model model = Model::open(folder);
  const LayerWeights& layer = model.weights().layers[2];
  EXPECT_EQ(layer.attention_norm.name, "model.layers.2.input_layernorm.weight");
  EXPECT_EQ(layer.ffn_norm.name, "model.layers.2.post_attention_layernorm.weight");
  EXPECT_EQ(layer.attention.v.weight.name, "model.layers.2.self_attn.v_proj.weight");
  EXPECT_EQ(layer.attention.v.bias.name, "model.layers.2.self_attn.v_proj.bias");
  EXPECT_FALSE(layer.attention.o.bias);
  EXPECT_FALSE(layer.attention.q_norm);
  EXPECT_EQ(layer.moe.router.name, "model.layers.2.mlp.gate.weight");
  EXPECT_EQ(layer.moe.experts[11].up.name, "model.layers.2.mlp.experts.11.up_proj.weight");
  EXPECT_EQ(layer.moe.shared.down.name, "model.layers.2.mlp.shared_expert.down_proj.weight");
  EXPECT_EQ(layer.moe.shared_gate.shape, (Shape{1, 64}));
  EXPECT_FALSE(layer.moe.correction_bias);
}

TEST(Weights, KeepsLatentRolesApart) {
  const auto folder = write_checkpoint(test_folder(), listed_config("deepseek_v2-groups-qlora"),
                                       listed_tensors("deepseek_v2-groups-qlora"));
  const Model model = Model::open(folder);
  const LayerWeights &dense = model.weights().layers[0], &moe = model.weights().layers[1];
  EXPECT_EQ(dense.attention.q_a.weight.shape, (Shape{24, 48}));
  EXPECT_EQ(dense.attention.q_a_norm.name, "model.layers.0.self_attn.q_a_layernorm.weight");
  EXPECT_EQ(dense.attention.q_b.weight.shape, (Shape{96, 24}));
  EXPECT_EQ(dense.attention.kv_a.weight.name, "model.layers.0.self_attn.kv_a_proj_with_mqa.weight");
  EXPECT_EQ(dense.attention.kv_a_norm.shape, (Shape{24}));
  EXPECT_EQ(dense.attention.kv_b.weight.shape, (Shape{128, 24}));
  EXPECT_FALSE(dense.attention.q.weight);
  EXPECT_EQ(dense.dense.gate.shape, (Shape{80, 48}));
  EXPECT_TRUE(dense.moe.experts.empty());
  EXPECT_EQ(moe.moe.experts.size(), 16u);
  EXPECT_EQ(moe.moe.shared.gate.name, "model.layers.1.mlp.shared_experts.gate_proj.weight");
  EXPECT_FALSE(moe.dense.gate);
}

TEST(Weights, ReadsMixtralsGateUpAndDown) {
  const auto folder = write_checkpoint(test_folder(), listed_config("mixtral"), listed_tensors("mixtral"));
  const Model model = Model::open(folder);
  const GatedFeedForward& expert = model.weights().layers[1].moe.experts[3];
  EXPECT_EQ(expert.gate.name, "model.layers.1.block_sparse_moe.experts.3.w1.weight");
  EXPECT_EQ(expert.up.name, "model.layers.1.block_sparse_moe.experts.3.w3.weight");
  EXPECT_EQ(expert.down.name, "model.layers.1.block_sparse_moe.experts.3.w2.weight");
}

TEST(Weights, ReadsNamesWithoutTheModelPrefix) {
  auto tensors = filled("deepseek_v3");
  const Made expected = named(tensors, "model.layers.1.mlp.gate.e_score_correction_bias");
  rename_part(tensors, "model.", "");
  const Model model = Model::open(write_checkpoint(test_folder(), listed_config("deepseek_v3"), tensors));
  EXPECT_EQ(model.weights().layers[1].moe.correction_bias.name, "layers.1.mlp.gate.e_score_correction_bias");
  EXPECT_EQ(bytes_of(model.weights().layers[1].moe.correction_bias), expected.data);
}

TEST(Weights, ReadsMixtralsNewerNames) {
  auto tensors = filled("mixtral");
  const Made up = named(tensors, "model.layers.1.block_sparse_moe.experts.3.w3.weight");
  const Made down = named(tensors, "model.layers.1.block_sparse_moe.experts.3.w2.weight");
  rename_part(tensors, "block_sparse_moe", "mlp");
  rename_part(tensors, ".w1.", ".gate_proj.");
  rename_part(tensors, ".w2.", ".down_proj.");
  rename_part(tensors, ".w3.", ".up_proj.");
  const Model model = Model::open(write_checkpoint(test_folder(), listed_config("mixtral"), tensors));
  const GatedFeedForward& expert = model.weights().layers[1].moe.experts[3];
  EXPECT_EQ(bytes_of(expert.up), up.data);
  EXPECT_EQ(bytes_of(expert.down), down.data);
}

// Replaces gate and up of each expert by gate_up_proj; `all` also joins the experts of a layer.
std::vector<Made> fused(const std::vector<Made>& tensors, bool all, const std::string& end) {
  std::map<std::string, Made> joined;
  std::vector<Made> result;
  for (const Made& tensor : tensors) {
    const size_t at = tensor.name.find(".experts.");
    if (at == std::string::npos) {
      result.push_back(tensor);
      continue;
    }
    const std::string block = tensor.name.substr(0, at + 8);
    std::string rest = tensor.name.substr(at + 9);
    const std::string expert = rest.substr(0, rest.find('.'));
    const std::string role = rest.substr(expert.size() + 1, rest.find(".weight") - expert.size() - 1);
    const bool is_down = role == "down_proj";
    const std::string base = all ? block : block + "." + expert;
    const std::string name =
        base + (is_down ? ".down_proj" : ".gate_up_proj") + (is_down && !all ? ".weight" : end);
    // Experts come in the order of their numbers; gate before up.
    joined[fmt::format("{}/{:03}/{}", name, std::stoi(expert), role == "up_proj")] = {
        name, tensor.dtype, tensor.shape, tensor.data};
  }
  std::map<std::string, Made> whole;
  for (const auto& [order, part] : joined) {
    const auto [at, added] = whole.emplace(part.name, part);
    if (added) continue;
    at->second.data += part.data;
  }
  for (auto& [name, tensor] : whole) {
    const int64_t rows =
        static_cast<int64_t>(tensor.data.size() / Made::width(tensor.dtype)) / tensor.shape[1];
    const bool is_down = name.find("down_proj") != std::string::npos;
    const int64_t of_expert = tensor.shape[0] * (is_down ? 1 : 2);
    tensor.shape = all ? Shape{rows / of_expert, of_expert, tensor.shape[1]} : Shape{rows, tensor.shape[1]};
    result.push_back(tensor);
  }
  return result;
}

TEST(Weights, SplitsFusedExpertsAsViews) {
  const auto apart = filled("olmoe");
  const Json config = listed_config("olmoe");
  const auto root = test_folder();
  const Model expected = Model::open(write_checkpoint(root / "apart", config, apart));
  int variant = 0;
  for (const bool all : {false, true}) {
    for (const char* end : {"", ".weight"}) {
      const Model model =
          Model::open(write_checkpoint(root / std::to_string(variant++), config, fused(apart, all, end)));
      for (const int layer : {0, 2}) {
        const auto &found = model.weights().layers[layer].moe.experts,
                   &wanted = expected.weights().layers[layer].moe.experts;
        ASSERT_EQ(found.size(), wanted.size());
        for (size_t e = 0; e < found.size(); ++e) {
          EXPECT_EQ(found[e].gate.shape, (Shape{32, 64}));
          EXPECT_EQ(found[e].down.shape, (Shape{64, 32}));
          EXPECT_EQ(bytes_of(found[e].gate), bytes_of(wanted[e].gate));
          EXPECT_EQ(bytes_of(found[e].up), bytes_of(wanted[e].up));
          EXPECT_EQ(bytes_of(found[e].down), bytes_of(wanted[e].down));
          EXPECT_EQ(found[e].gate.data + found[e].gate.bytes, found[e].up.data);  // one matrix, no copy
        }
      }
      EXPECT_EQ(model.layer_bytes(1), expected.layer_bytes(1));
    }
  }
}

TEST(Weights, RefusesFusedTensorsOfAnotherShape) {
  auto tensors = fused(filled("olmoe"), true, "");
  named(tensors, "model.layers.1.mlp.experts.gate_up_proj").shape = {16, 32, 128};
  const auto folder = write_checkpoint(test_folder(), listed_config("olmoe"), tensors);
  EXPECT_THAT(
      error_of([&] { Model::open(folder); }),
      HasSubstr(
          "tensor \"model.layers.1.mlp.experts.gate_up_proj\" has shape [16, 32, 128], the config asks for "
          "[16, 64, 64]"));
}

TEST(Weights, RefusesAWrongShape) {
  EXPECT_THAT(
      refused("olmoe",
              [](auto& tensors) {
                named(tensors, "model.layers.1.mlp.experts.5.up_proj.weight").shape = {64, 32};
              }),
      AllOf(
          HasSubstr(
              "model.safetensors: tensor \"model.layers.1.mlp.experts.5.up_proj.weight\" has shape [64, 32]"),
          HasSubstr("the config asks for [32, 64]")));
  EXPECT_THAT(
      refused("qwen3_moe-sharded",
              [](auto& tensors) { named(tensors, "model.layers.2.self_attn.q_norm.weight").shape = {96}; }),
      HasSubstr("q_norm.weight\" has shape [96], the config asks for [24]"));
  EXPECT_THAT(refused("olmoe",
                      [](auto& tensors) {
                        named(tensors, "model.norm.weight").shape = {64, 1};
                      }),
              HasSubstr("\"model.norm.weight\" has shape [64, 1], the config asks for [64]"));
}

TEST(Weights, RefusesAConfigThatClaimsMore) {
  const auto tensors = listed_tensors("olmoe");
  const std::tuple<const char*, int, const char*> claims[] = {
      {"num_experts", 32,
       "\"model.layers.0.mlp.gate.weight\" has shape [16, 64], the config asks for [32, 64]"},
      {"num_hidden_layers", 4, "\"model.layers.3.input_layernorm.weight\" is missing"},
      {"vocab_size", 1000,
       "\"model.embed_tokens.weight\" has shape [768, 64], the config asks for [1000, 64]"},
      {"intermediate_size", 48,
       "\"model.layers.0.mlp.experts.0.gate_proj.weight\" has shape [32, 64], the config asks for [48, 64]"}};
  for (const auto& [key, value, sentence] : claims) {
    Json config = listed_config("olmoe");
    config[key] = value;
    const auto folder = write_checkpoint(test_folder(), config, tensors);
    EXPECT_THAT(error_of([&] { Model::open(folder); }), HasSubstr(sentence));
  }
}

TEST(Weights, RefusesAMissingTensor) {
  const auto drop = [](const std::string& name) {
    return [name](auto& tensors) {
      std::erase_if(tensors, [&](const Made& tensor) { return tensor.name == name; });
    };
  };
  for (const char* name :
       {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight", "model.layers.0.mlp.gate.weight",
        "model.layers.2.mlp.experts.15.down_proj.weight", "model.layers.1.self_attn.k_norm.weight"}) {
    EXPECT_THAT(refused("olmoe", drop(name)), HasSubstr(fmt::format("tensor \"{}\" is missing", name)));
  }
  EXPECT_THAT(refused("qwen2_moe", drop("model.layers.0.self_attn.k_proj.bias")),
              HasSubstr("k_proj.bias\" is missing"));
  EXPECT_THAT(refused("deepseek_v3", drop("model.layers.1.mlp.gate.e_score_correction_bias")),
              HasSubstr("e_score_correction_bias\" is missing"));
  EXPECT_THAT(refused("deepseek_v2-lite", drop("model.layers.3.mlp.shared_experts.up_proj.weight")),
              HasSubstr("shared_experts.up_proj.weight\" is missing"));
}

TEST(Weights, RefusesOtherDtypes) {
  EXPECT_THAT(refused("olmoe",
                      [](auto& tensors) {
                        named(tensors, "model.layers.0.mlp.experts.0.up_proj.weight").dtype = "F8_E4M3";
                      }),
              HasSubstr("has dtype F8_E4M3, must be F32, BF16 or F16: quantised weights are not supported"));
  EXPECT_THAT(refused("olmoe", [](auto& tensors) { named(tensors, "model.norm.weight").dtype = "U16"; }),
              HasSubstr("\"model.norm.weight\" has dtype U16, must be F32, BF16 or F16"));
}

TEST(Weights, RefusesPackedWeights) {
  EXPECT_THAT(
      refused("olmoe",
              [](auto& tensors) {
                rename_part(tensors, "0.self_attn.q_proj.weight", "0.self_attn.q_proj.qweight");
              }),
      HasSubstr(
          "there is only \"model.layers.0.self_attn.q_proj.qweight\": quantised weights are not supported"));
}

TEST(Weights, RefusesQuantisedCheckpointsByName) {
  for (const char* method : {"fp8", "mxfp4", "gptq", "awq"}) {
    Json config = listed_config("olmoe");
    config["quantization_config"] = {{"quant_method", method}};
    const auto folder = write_checkpoint(test_folder(), config, listed_tensors("olmoe"));
    EXPECT_THAT(error_of([&] { Model::open(folder); }),
                AllOf(HasSubstr("config.json: the checkpoint is quantised"), HasSubstr(method)));
  }
}

TEST(Weights, MixesDtypes) {
  auto tensors = listed_tensors("olmoe");
  named(tensors, "model.layers.1.mlp.gate.weight").dtype = "F32";
  const Model model = Model::open(write_checkpoint(test_folder(), listed_config("olmoe"), tensors));
  EXPECT_EQ(model.weights().layers[1].moe.router.dtype, DType::kF32);
  EXPECT_EQ(model.weights().layers[0].moe.router.dtype, DType::kBF16);
}

TEST(Weights, TiesTheEmbedding) {
  const std::string name = "qwen3_moe-step2-tied-f16";
  auto tensors = listed_tensors(name);
  const Model model = Model::open(write_checkpoint(test_folder(), listed_config(name), tensors));
  EXPECT_EQ(model.weights().lm_head.data, model.weights().embedding.data);
  // transformers ties even where the file has an lm_head of its own.
  tensors.push_back({"lm_head.weight", "F16", {768, 32}, ""});
  const Model both = Model::open(write_checkpoint(test_folder(), listed_config(name), tensors));
  EXPECT_EQ(both.weights().lm_head.data, both.weights().embedding.data);
}

TEST(Weights, ToleratesWhatDoesNotMatter) {
  auto tensors = listed_tensors("deepseek_v3");
  tensors.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", "F32", {8}, ""});
  tensors.push_back({"model.layers.3.embed_tokens.weight", "BF16", {768, 64}, ""});
  tensors.push_back({"v_head.summary.weight", "F32", {1, 64}, ""});
  Json config = listed_config("deepseek_v3");
  config["num_nextn_predict_layers"] = 1;
  Model::open(write_checkpoint(test_folder(), config, tensors));
}

TEST(Weights, RefusesWhatWouldMatter) {
  const auto add = [](const char* name, Shape shape) {
    return [=](auto& tensors) { tensors.push_back({name, "BF16", shape, ""}); };
  };
  EXPECT_THAT(refused("olmoe", add("model.layers.1.self_attn.q_proj.bias", {64})),
              HasSubstr("tensor \"model.layers.1.self_attn.q_proj.bias\" has no place in this olmoe model"));
  EXPECT_THAT(refused("olmoe", add("model.layers.1.mlp.experts.16.up_proj.weight", {32, 64})),
              HasSubstr("has no place"));
  EXPECT_THAT(refused("olmoe", add("lm_head.bias", {768})), HasSubstr("has no place"));
  EXPECT_THAT(refused("olmoe", add("model.layers.3.input_layernorm.weight", {64})),
              HasSubstr("belongs to layer 3, but the config has only 3 layers"));
  EXPECT_THAT(refused("olmoe",
                      [](auto& tensors) {
                        rename_part(tensors, "model.", "");
                        tensors.push_back({"layers.0.self_attn.sinks", "BF16", {4}, ""});
                      }),
              HasSubstr("\"layers.0.self_attn.sinks\" has no place"));
}

}  // namespace
}  // namespace committee::model
