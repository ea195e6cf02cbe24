#include "model/config.h"

#include <cmath>

#include "configs.h"
#include "files.h"

namespace committee::model {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Config, DescribesOlmoe) {
  const ModelConfig config = parse(olmoe());
  EXPECT_EQ(config.layers, 16);
  EXPECT_EQ(config.max_positions, 4096);
  EXPECT_EQ(config.norm_eps, 1e-5);
  EXPECT_EQ(config.attention.heads, 16);
  EXPECT_EQ(config.attention.kv_heads, 16);
  EXPECT_EQ(config.attention.qk_dim, 128);
  EXPECT_EQ(config.attention.v_dim, 128);
  EXPECT_EQ(config.attention.rope.dims, 128);
  EXPECT_EQ(config.attention.rope.theta, 10000);
  EXPECT_DOUBLE_EQ(config.attention.scale, std::pow(128, -0.5));
  EXPECT_EQ(config.attention.qk_norm, QkNorm::kWholeProjection);
  EXPECT_FALSE(config.attention.clip_qkv);
  EXPECT_FALSE(config.attention.qkv_bias);
  EXPECT_EQ(config.expert_width, 1024);
  EXPECT_EQ(config.router.experts, 64);
  EXPECT_EQ(config.router.top_k, 8);
  EXPECT_EQ(config.router.score, RouterScore::kSoftmax);
  EXPECT_FALSE(config.router.normalize_top_k);
  EXPECT_EQ(config.moe_layers.size(), 16u);
  EXPECT_EQ(config.shared_experts, 0);
  EXPECT_EQ(config.dtype, "bfloat16");
  EXPECT_EQ(config.quantization, "");
  EXPECT_THAT(config.end_tokens, ElementsAre(50279));

  Json other = olmoe();
  other["clip_qkv"] = 8.0;
  other["norm_topk_prob"] = true;
  other["attention_bias"] = true;
  const ModelConfig changed = parse(other);
  EXPECT_EQ(changed.attention.clip_qkv, 8.0);
  EXPECT_TRUE(changed.router.normalize_top_k);
  EXPECT_TRUE(changed.attention.qkv_bias);
  EXPECT_TRUE(changed.attention.output_bias);
}

TEST(Config, DescribesQwen3Moe) {
  const ModelConfig config = parse(qwen3());
  EXPECT_EQ(config.attention.qk_norm, QkNorm::kPerHead);
  EXPECT_EQ(config.attention.qk_dim, 128);
  EXPECT_EQ(config.attention.heads, 32);
  EXPECT_EQ(config.attention.kv_heads, 4);
  EXPECT_TRUE(config.router.normalize_top_k);
  EXPECT_EQ(config.dense_width, 6144);
  EXPECT_EQ(config.expert_width, 768);
  EXPECT_EQ(config.moe_layers.size(), 48u);
}

TEST(Config, FindsQwensDenseLayers) {
  Json json = qwen3();
  json["num_hidden_layers"] = 7;
  json["decoder_sparse_step"] = 2;
  json["mlp_only_layers"] = {3};
  const ModelConfig config = parse(json);
  EXPECT_THAT(config.moe_layers, ElementsAre(1, 5));
  EXPECT_TRUE(config.is_moe(5));
  EXPECT_FALSE(config.is_moe(3));
  json["mlp_only_layers"] = {7};
  EXPECT_THAT(refused(json), HasSubstr("\"mlp_only_layers\" names layer 7 of 7"));
}

TEST(Config, DescribesDeepseekV2) {
  const ModelConfig config = parse(deepseek_v2());
  ASSERT_TRUE(config.attention.latent);
  EXPECT_EQ(config.attention.latent->q_rank, 0);
  EXPECT_EQ(config.attention.latent->kv_rank, 512);
  EXPECT_EQ(config.attention.latent->nope_dim, 128);
  EXPECT_EQ(config.attention.latent->rope_dim, 64);
  EXPECT_EQ(config.attention.latent->norm_eps, 1e-6);
  EXPECT_EQ(config.attention.qk_dim, 192);
  EXPECT_EQ(config.attention.v_dim, 128);
  EXPECT_EQ(config.attention.rope.pairing, RopePairing::kInterleaved);
  EXPECT_EQ(config.attention.rope.dims, 64);
  ASSERT_TRUE(config.attention.rope.yarn);
  EXPECT_EQ(config.attention.rope.yarn->factor, 40);
  EXPECT_EQ(config.attention.rope.yarn->original_positions, 4096);
  EXPECT_EQ(config.attention.rope.yarn->attention_factor, 1);
  EXPECT_TRUE(config.attention.rope.yarn->truncate);
  // The square of m(0.707) = 0.1·0.707·ln 40 + 1 = 1.2608.
  EXPECT_NEAR(config.attention.scale, 1.2608 * 1.2608 / std::sqrt(192), 1e-5);
  EXPECT_EQ(config.moe_layers.size(), 26u);
  EXPECT_EQ(config.moe_layers.front(), 1);
  EXPECT_EQ(config.shared_experts, 2);
  EXPECT_EQ(config.shared_width, 2816);
  EXPECT_EQ(config.dense_width, 10944);
  EXPECT_EQ(config.router.groups, 1);
}

TEST(Config, ReadsDeepseekV2sGroupsOnlyWhereTheyLimit) {
  Json json = deepseek_v2();
  json["n_group"] = 8;
  json["topk_group"] = 3;
  EXPECT_EQ(parse(json).router.groups, 1);
  json["topk_method"] = "group_limited_greedy";
  json["q_lora_rank"] = 1536;
  json["routed_scaling_factor"] = 16.0;
  const ModelConfig config = parse(json);
  EXPECT_EQ(config.router.groups, 8);
  EXPECT_EQ(config.router.top_groups, 3);
  EXPECT_EQ(config.router.group_score, GroupScore::kBest);
  EXPECT_EQ(config.router.scaling, 16);
  EXPECT_EQ(config.attention.latent->q_rank, 1536);
}

TEST(Config, DescribesDeepseekV3) {
  Json json = deepseek_v2();
  json["model_type"] = "deepseek_v3";
  json["scoring_func"] = "sigmoid";
  json["topk_method"] = "noaux_tc";
  json["n_group"] = 8;
  json["topk_group"] = 4;
  json["norm_topk_prob"] = true;
  json["routed_scaling_factor"] = 2.5;
  json["num_nextn_predict_layers"] = 1;
  json["quantization_config"] = {{"quant_method", "fp8"}, {"fmt", "e4m3"}};
  const ModelConfig config = parse(json);
  EXPECT_EQ(config.router.score, RouterScore::kSigmoid);
  EXPECT_TRUE(config.router.correction_bias);
  EXPECT_TRUE(config.router.normalize_top_k);
  EXPECT_EQ(config.router.group_score, GroupScore::kSumOfTwoBest);
  EXPECT_EQ(config.router.groups, 8);
  EXPECT_EQ(config.attention.rope.pairing, RopePairing::kInterleaved);
  EXPECT_EQ(config.prediction_layers, 1);
  EXPECT_EQ(config.quantization, "fp8");
  json["rope_interleave"] = false;
  EXPECT_EQ(parse(json).attention.rope.pairing, RopePairing::kHalves);
}

TEST(Config, DescribesMixtralQwen2MoeAndGlm4Moe) {
  const ModelConfig mixtral = parse(listed_config("mixtral"));
  EXPECT_EQ(mixtral.router.experts, 8);
  EXPECT_TRUE(mixtral.router.normalize_top_k);
  EXPECT_EQ(mixtral.attention.qk_dim, 16);  // head_dim is null
  EXPECT_EQ(mixtral.expert_width, 48);
  EXPECT_EQ(mixtral.attention.rope.theta, 1e6);

  const ModelConfig qwen2 = parse(listed_config("qwen2_moe"));
  EXPECT_TRUE(qwen2.attention.qkv_bias);
  EXPECT_FALSE(qwen2.attention.output_bias);
  EXPECT_TRUE(qwen2.shared_gate);
  EXPECT_EQ(qwen2.shared_width, 56);
  EXPECT_EQ(qwen2.shared_experts, 1);

  const ModelConfig glm = parse(listed_config("glm4_moe"));
  EXPECT_EQ(glm.attention.qk_norm, QkNorm::kPerHead);
  EXPECT_EQ(glm.attention.rope.dims, 12);  // half of 24
  EXPECT_TRUE(glm.attention.qkv_bias);
  EXPECT_FALSE(glm.attention.output_bias);
  EXPECT_EQ(glm.router.scaling, 1.5);
}

TEST(Config, ReadsOldAndNewStyleAlike) {
  Json old_style = deepseek_v2(), new_style = deepseek_v2();
  new_style.erase("rope_scaling");
  new_style.erase("rope_theta");
  new_style.erase("torch_dtype");
  new_style["dtype"] = "bfloat16";
  new_style["rope_parameters"] = old_style["rope_scaling"];
  new_style["rope_parameters"]["rope_theta"] = 50000.0;
  new_style["rope_parameters"]["rope_type"] = "yarn";
  old_style["rope_theta"] = 50000.0;
  for (const Json& json : {old_style, new_style}) {
    const ModelConfig config = parse(json);
    EXPECT_EQ(config.attention.rope.theta, 50000);
    EXPECT_EQ(config.attention.rope.yarn->factor, 40);
    EXPECT_NEAR(config.attention.scale, 1.2608 * 1.2608 / std::sqrt(192), 1e-5);
    EXPECT_EQ(config.dtype, "bfloat16");
  }
  Json plain = qwen3();
  plain.erase("rope_theta");
  plain["rope_parameters"] = {{"rope_theta", 5e6}, {"rope_type", "default"}};
  EXPECT_EQ(parse(plain).attention.rope.theta, 5e6);
}

TEST(Config, ReadsYarnWithoutMscale) {
  Json json = qwen3();
  json["rope_scaling"] = {{"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32768}};
  const ModelConfig config = parse(json);
  ASSERT_TRUE(config.attention.rope.yarn);
  EXPECT_DOUBLE_EQ(config.attention.rope.yarn->attention_factor, 0.1 * std::log(4) + 1);
  EXPECT_EQ(config.attention.rope.yarn->beta_fast, 32);
  EXPECT_EQ(config.attention.rope.yarn->beta_slow, 1);
  EXPECT_DOUBLE_EQ(config.attention.scale, std::pow(128, -0.5));  // only DeepSeek scales the softmax

  json["rope_scaling"]["attention_factor"] = 1.25;
  EXPECT_EQ(parse(json).attention.rope.yarn->attention_factor, 1.25);
  // Without a factor it is the ratio of the two lengths.
  json["rope_scaling"].erase("factor");
  EXPECT_EQ(parse(json).attention.rope.yarn->factor, 40960 / 32768.0);
  json["rope_scaling"]["truncate"] = false;
  EXPECT_FALSE(parse(json).attention.rope.yarn->truncate);
}

TEST(Config, KeepsMscaleOfCosAndSoftmaxApart) {
  Json json = deepseek_v2();
  json["rope_scaling"]["mscale"] = 1.0;
  const double all = 0.1 * 0.707 * std::log(40) + 1;
  const ModelConfig config = parse(json);
  EXPECT_DOUBLE_EQ(config.attention.rope.yarn->attention_factor, (0.1 * std::log(40) + 1) / all);
  EXPECT_DOUBLE_EQ(config.attention.scale, all * all / std::sqrt(192));
  json["rope_scaling"].erase("mscale_all_dim");
  EXPECT_DOUBLE_EQ(parse(json).attention.rope.yarn->attention_factor, 0.1 * std::log(40) + 1);
  EXPECT_DOUBLE_EQ(parse(json).attention.scale, 1 / std::sqrt(192));
}

TEST(Config, ReadsLinearRopeAndRefusesOthersByName) {
  Json json = qwen3();
  json["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 2.0}};
  EXPECT_EQ(parse(json).attention.rope.linear_factor, 2);
  EXPECT_EQ(parse(qwen3()).attention.rope.linear_factor, 1);
  json["rope_scaling"].erase("factor");
  EXPECT_THAT(refused(json), HasSubstr("rope_scaling: \"factor\" must be given"));
  for (const char* kind : {"dynamic", "llama3", "longrope", "mrope"}) {
    json["rope_scaling"] = {{"rope_type", kind}, {"factor", 2.0}};
    EXPECT_THAT(refused(json), AllOf(HasSubstr("\"rope_type\" is supported as default, linear or yarn only"),
                                     HasSubstr(kind)));
  }
  json["rope_scaling"] = {{"full_attention", {{"rope_type", "default"}}}};
  EXPECT_THAT(refused(json), HasSubstr("all layers must rotate alike"));
  json["rope_scaling"] = "yarn";
  EXPECT_THAT(refused(json), HasSubstr("\"rope_scaling\" must be an object"));
}

TEST(Config, DefaultsAreThoseOfTransformers) {
  Json json = qwen3();
  for (const char* key :
       {"head_dim", "num_key_value_heads", "rms_norm_eps", "rope_theta", "norm_topk_prob", "eos_token_id",
        "decoder_sparse_step", "mlp_only_layers", "tie_word_embeddings", "hidden_act", "torch_dtype"}) {
    json.erase(key);
  }
  const ModelConfig config = parse(json);
  EXPECT_EQ(config.attention.qk_dim, 64);
  EXPECT_EQ(config.attention.kv_heads, 32);
  EXPECT_EQ(config.norm_eps, 1e-6);
  EXPECT_EQ(config.attention.rope.theta, 10000);
  EXPECT_FALSE(config.router.normalize_top_k);
  EXPECT_FALSE(config.tied_embeddings);
  EXPECT_TRUE(config.end_tokens.empty());
  Json mixtral = listed_config("mixtral");
  mixtral.erase("rope_theta");
  EXPECT_EQ(parse(mixtral).attention.rope.theta, 1e6);
  Json qwen2 = listed_config("qwen2_moe");
  qwen2.erase("qkv_bias");
  EXPECT_TRUE(parse(qwen2).attention.qkv_bias);
  Json glm = listed_config("glm4_moe");
  glm.erase("partial_rotary_factor");
  EXPECT_EQ(parse(glm).attention.rope.dims, 12);
}

TEST(Config, AcceptsEitherNameOfTheExpertCount) {
  Json json = qwen3();
  json.erase("num_experts");
  json["num_local_experts"] = 96;
  EXPECT_EQ(parse(json).router.experts, 96);
  json["num_experts"] = 128;
  EXPECT_THAT(refused(json),
              HasSubstr("\"num_local_experts\" must equal \"num_experts\", which is 128, found 96"));
}

TEST(Config, ListsTheKnownFamilies) {
  EXPECT_THAT(
      refused({{"model_type", "gpt_oss"}}),
      AllOf(HasSubstr("unknown model_type \"gpt_oss\", known are"), HasSubstr("olmoe"),
            HasSubstr("qwen3_moe"), HasSubstr("deepseek_v2"), HasSubstr("mixtral"), HasSubstr("qwen2_moe")));
  EXPECT_THAT(refused(Json::object()), HasSubstr("\"model_type\" is missing"));
  EXPECT_THAT(refused({{"model_type", 7}}), HasSubstr("\"model_type\" must be a string"));
  EXPECT_THAT(refused(Json::array()), HasSubstr("must hold a JSON object"));
}

TEST(Config, NamesQuantisation) {
  for (const char* method : {"fp8", "mxfp4", "gptq", "awq"}) {
    Json json = qwen3();
    json["quantization_config"] = {{"quant_method", method}, {"bits", 4}};
    EXPECT_EQ(parse(json).quantization, method);
  }
  Json json = qwen3();
  json["quantization_config"] = {{"load_in_4bit", true}};
  EXPECT_EQ(parse(json).quantization, "unnamed method");
  json["quantization_config"] = nullptr;
  EXPECT_EQ(parse(json).quantization, "");
}

TEST(Config, ReadsEndTokensOfTheGenerationConfig) {
  const auto folder = test_folder();
  write(folder / "config.json", qwen3().dump());
  EXPECT_THAT(read_config(folder).end_tokens, ElementsAre(151645));
  write(folder / "generation_config.json", R"({"eos_token_id": [151645, 151643], "temperature": 0.6})");
  EXPECT_THAT(read_config(folder).end_tokens, ElementsAre(151645, 151643));
  EXPECT_THAT(read_config(folder / "config.json").end_tokens, ElementsAre(151645, 151643));
  write(folder / "generation_config.json", R"({"temperature": 0.6})");
  EXPECT_THAT(read_config(folder).end_tokens, ElementsAre(151645));
  write(folder / "generation_config.json", "[");
  EXPECT_THAT(error_of([&] { read_config(folder); }), HasSubstr("generation_config.json: not valid JSON"));
}

TEST(Config, NamesAMissingFile) {
  const auto folder = test_folder();
  EXPECT_THAT(error_of([&] { read_config(folder); }), HasSubstr("config.json: cannot open"));
}

}  // namespace
}  // namespace committee::model
