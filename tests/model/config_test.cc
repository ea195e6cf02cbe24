#include "model/config.h"

#include <cmath>
#include <functional>

#include "files.h"
#include "model/summary.h"

namespace committee::model {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

ModelConfig parse(const Json& json) { return parse_config(json, "config.json"); }

std::string refused(const Json& json) {
  const std::string sentence = error_of([&] { parse(json); });
  EXPECT_THAT(sentence, testing::StartsWith("config.json"));
  return sentence;
}

// The values of Qwen/Qwen3-30B-A3B.
Json qwen3() {
  return {{"model_type", "qwen3_moe"},
          {"attention_bias", false},
          {"decoder_sparse_step", 1},
          {"eos_token_id", 151645},
          {"head_dim", 128},
          {"hidden_act", "silu"},
          {"hidden_size", 2048},
          {"intermediate_size", 6144},
          {"max_position_embeddings", 40960},
          {"max_window_layers", 48},
          {"mlp_only_layers", Json::array()},
          {"moe_intermediate_size", 768},
          {"norm_topk_prob", true},
          {"num_attention_heads", 32},
          {"num_experts", 128},
          {"num_experts_per_tok", 8},
          {"num_hidden_layers", 48},
          {"num_key_value_heads", 4},
          {"rms_norm_eps", 1e-6},
          {"rope_scaling", nullptr},
          {"rope_theta", 1000000.0},
          {"sliding_window", nullptr},
          {"tie_word_embeddings", false},
          {"torch_dtype", "bfloat16"},
          {"use_sliding_window", false},
          {"vocab_size", 151936}};
}

// The values of deepseek-ai/DeepSeek-V2-Lite.
Json deepseek_v2() {
  return {{"model_type", "deepseek_v2"},
          {"attention_bias", false},
          {"eos_token_id", 100001},
          {"first_k_dense_replace", 1},
          {"hidden_act", "silu"},
          {"hidden_size", 2048},
          {"intermediate_size", 10944},
          {"kv_lora_rank", 512},
          {"max_position_embeddings", 163840},
          {"moe_intermediate_size", 1408},
          {"moe_layer_freq", 1},
          {"n_group", 1},
          {"n_routed_experts", 64},
          {"n_shared_experts", 2},
          {"norm_topk_prob", false},
          {"num_attention_heads", 16},
          {"num_experts_per_tok", 6},
          {"num_hidden_layers", 27},
          {"num_key_value_heads", 16},
          {"q_lora_rank", nullptr},
          {"qk_nope_head_dim", 128},
          {"qk_rope_head_dim", 64},
          {"rms_norm_eps", 1e-6},
          {"rope_scaling",
           {{"beta_fast", 32},
            {"beta_slow", 1},
            {"factor", 40},
            {"mscale", 0.707},
            {"mscale_all_dim", 0.707},
            {"original_max_position_embeddings", 4096},
            {"type", "yarn"}}},
          {"rope_theta", 10000},
          {"routed_scaling_factor", 1.0},
          {"scoring_func", "softmax"},
          {"tie_word_embeddings", false},
          {"topk_group", 1},
          {"topk_method", "greedy"},
          {"torch_dtype", "bfloat16"},
          {"v_head_dim", 128},
          {"vocab_size", 102400}};
}

// The values of allenai/OLMoE-1B-7B-0125.
Json olmoe() {
  return {{"model_type", "olmoe"},     {"attention_bias", false},
          {"clip_qkv", nullptr},       {"eos_token_id", 50279},
          {"hidden_act", "silu"},      {"hidden_size", 2048},
          {"intermediate_size", 1024}, {"max_position_embeddings", 4096},
          {"norm_topk_prob", false},   {"num_attention_heads", 16},
          {"num_experts", 64},         {"num_experts_per_tok", 8},
          {"num_hidden_layers", 16},   {"num_key_value_heads", 16},
          {"rms_norm_eps", 1e-5},      {"rope_scaling", nullptr},
          {"rope_theta", 10000.0},     {"tie_word_embeddings", false},
          {"torch_dtype", "bfloat16"}, {"vocab_size", 50304}};
}

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

struct Refusal {
  std::function<void(Json&)> change;
  std::string sentence;
};

void expect_refusals(const Json& good, const std::vector<Refusal>& refusals) {
  parse(good);
  for (const Refusal& refusal : refusals) {
    Json json = good;
    refusal.change(json);
    EXPECT_THAT(refused(json), HasSubstr(refusal.sentence));
  }
}

TEST(Config, RefusesImpossibleValues) {
  const auto set = [](const char* key, const Json& value) {
    return [key, value](Json& json) { json[key] = value; };
  };
  expect_refusals(
      qwen3(),
      {{set("hidden_size", nullptr), "\"hidden_size\" is missing"},
       {set("hidden_size", "2048"), "\"hidden_size\" must be an integer"},
       {set("hidden_size", 2048.5), "\"hidden_size\" must be an integer"},
       {set("num_hidden_layers", 0), "\"num_hidden_layers\" must be at least 1, found 0"},
       {set("num_hidden_layers", -3), "\"num_hidden_layers\" must lie between 0 and"},
       {set("num_hidden_layers", 5000), "layers: 5000 are more than the 4096"},
       {set("vocab_size", 99999999999), "\"vocab_size\" must lie between"},
       {set("num_attention_heads", 30),
        "\"num_key_value_heads\" must divide num_attention_heads, which is 30, found 4"},
       {set("head_dim", 127), "an even number of a head's 127 dimensions must rotate"},
       {set("num_experts_per_tok", 129), "129 experts a token are more than the 128 there are"},
       {set("num_experts", 70000), "experts: 70000 are more than the 65535"},
       {set("moe_intermediate_size", 16000000), "width of a feed-forward: 16000000 are more than"},
       {set("head_dim", 1000000), "heads times their dimensions: 32000000 are more than"},
       {set("rms_norm_eps", 0), "\"rms_norm_eps\" must be above 0, found 0"},
       {set("rms_norm_eps", "1e-6"), "\"rms_norm_eps\" must be a number"},
       {set("rope_theta", -1), "\"rope_theta\" must be above 0"},
       {set("rope_theta", 1), "\"rope_theta\" must be above 1"},
       {set("norm_topk_prob", 1), "\"norm_topk_prob\" must be true or false"},
       {set("decoder_sparse_step", 0), "\"decoder_sparse_step\" must be at least 1"},
       {set("decoder_sparse_step", 49), "no layer has routed experts"},
       {set("eos_token_id", "</s>"), "\"eos_token_id\" must be one integer or several"},
       {set("eos_token_id", Json::array({1, nullptr})), "\"eos_token_id\" must be one integer or several"},
       {[](Json& json) {
          json["num_experts"] = 60000;
          json["moe_intermediate_size"] = 1000000;
        },
        "more than any model has"}});
  Json json = olmoe();
  json["num_attention_heads"] = 24;
  json["num_key_value_heads"] = 24;
  EXPECT_THAT(refused(json),
              HasSubstr("\"num_attention_heads\" must divide hidden_size, which is 2048, found 24"));
  json["head_dim"] = 128;
  EXPECT_THAT(refused(json), HasSubstr("\"head_dim\" must be hidden_size / num_attention_heads"));
  json = olmoe();
  json["clip_qkv"] = -1.0;
  EXPECT_THAT(refused(json), HasSubstr("\"clip_qkv\" must be above 0"));
}

TEST(Config, RefusesWhatWouldChangeTheResult) {
  const auto set = [](const char* key, const Json& value) {
    return [key, value](Json& json) { json[key] = value; };
  };
  expect_refusals(
      qwen3(),
      {{set("hidden_act", "gelu"), "\"hidden_act\" is supported as silu or swish only, found \"gelu\""},
       {set("layer_types", Json::array({"full_attention", "sliding_attention"})),
        "\"layer_types\" is supported with \"full_attention\" in all layers only"},
       {set("partial_rotary_factor", 0.5), "\"partial_rotary_factor\" must be 1 in this family"}});
  Json window = qwen3();
  window["use_sliding_window"] = true;
  window["sliding_window"] = 4096;
  EXPECT_THAT(refused(window),
              HasSubstr("\"sliding_window\" is not supported below max_position_embeddings"));
  window["sliding_window"] = 40960;
  parse(window);
  window["use_sliding_window"] = false;
  window["sliding_window"] = 4096;
  parse(window);

  Json mixtral = listed_config("mixtral");
  mixtral["sliding_window"] = 4096;
  EXPECT_THAT(refused(mixtral), HasSubstr("\"sliding_window\" is not supported"));

  expect_refusals(
      deepseek_v2(),
      {{set("scoring_func", "sigmoid"), "\"scoring_func\" is supported as softmax only"},
       {set("topk_method", "noaux_tc"),
        "\"topk_method\" is supported as greedy or group_limited_greedy only"},
       {set("moe_layer_freq", 2), "\"moe_layer_freq\" must be 1"},
       {set("mlp_bias", true), "\"mlp_bias\" is not supported"},
       {set("num_key_value_heads", 8), "\"num_key_value_heads\" must equal num_attention_heads"},
       {set("n_shared_experts", 16000000), "\"n_shared_experts\" makes the shared experts impossibly wide"},
       {set("first_k_dense_replace", 27), "no layer has routed experts"},
       {set("routed_scaling_factor", 0), "\"routed_scaling_factor\" must be above 0"}});
}

TEST(Config, RefusesGroupsThatCannotBe) {
  Json json = deepseek_v2();
  json["topk_method"] = "group_limited_greedy";
  const auto with = [&](int groups, int top) {
    json["n_group"] = groups;
    json["topk_group"] = top;
    return json;
  };
  parse(with(8, 3));
  EXPECT_THAT(refused(with(7, 3)), HasSubstr("64 experts do not divide into 7 groups"));
  EXPECT_THAT(refused(with(8, 9)), HasSubstr("\"topk_group\" is 9, but there are 8 groups"));
  EXPECT_THAT(refused(with(32, 2)), HasSubstr("6 experts a token are more than the 4 in 2 groups"));
  json.erase("n_group");
  EXPECT_THAT(refused(json), HasSubstr("\"n_group\" is missing"));
  Json v3 = listed_config("deepseek_v3");
  v3["n_group"] = 16;
  v3["topk_group"] = 8;
  EXPECT_THAT(refused(v3), HasSubstr("a group needs two experts"));
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

// Published sizes: OLMoE 6.9B (1.3B active), Qwen3 30.5B (3.3B), DeepSeek-V2-Lite 15.7B.
TEST(Summary, CountsTheParametersOfRealModels) {
  const ParameterCount of_olmoe = count_parameters(parse(olmoe()));
  EXPECT_EQ(of_olmoe.total, 6919161856u);
  EXPECT_NEAR(static_cast<double>(of_olmoe.active), 1.28e9, 0.01e9);
  const ParameterCount of_qwen3 = count_parameters(parse(qwen3()));
  EXPECT_EQ(of_qwen3.total, 30532122624u);
  EXPECT_NEAR(static_cast<double>(of_qwen3.active), 3.35e9, 0.01e9);
  EXPECT_EQ(count_parameters(parse(deepseek_v2())).total, 15706484224u);
}

TEST(Summary, DescribesAConfigWithoutWeights) {
  const auto folder = test_folder();
  write(folder / "config.json", deepseek_v2().dump());
  const ModelSummary summary = summarise(folder, 1000);
  EXPECT_EQ(summary.attention,
            "latent: 16 heads, keys 128 + 64 rotated, values 128, latent 512; RoPE base 10000, interleaved, "
            "YaRN × 40 of "
            "4096 positions");
  EXPECT_EQ(summary.router, "softmax, top 6 of 64, weights as they are");
  EXPECT_EQ(summary.weight_bytes, 2 * summary.parameters.total);
  EXPECT_FALSE(summary.file_bytes);
  EXPECT_EQ(summary.pass_tokens, 1000);
  const ModelSummary longer = summarise(folder / "config.json", 2000);
  EXPECT_GT(longer.pass_bytes, summary.pass_bytes);
  // Two MoE layers, embedding and lm_head in BF16, and less than a gigabyte of activations.
  const ParameterCount& count = summary.parameters;
  const uint64_t weights =
      2 * (2 * (count.attention + count.router + count.shared + 64 * count.expert) + count.embedding);
  EXPECT_GT(summary.pass_bytes, weights);
  EXPECT_LT(summary.pass_bytes, weights + (1u << 30));
  write(folder / "model-00001-of-00002.safetensors", "12345");
  write(folder / "model-00002-of-00002.safetensors", "123");
  EXPECT_EQ(summarise(folder).file_bytes, 8u);
}

TEST(Summary, SaysWhatTheRouterDoes) {
  const auto folder = test_folder();
  write(folder / "config.json", listed_config("deepseek_v3").dump());
  EXPECT_EQ(
      summarise(folder).router,
      "sigmoid with correction bias, top 4 of 16 in the 2 best of 4 groups (by sum of the two best), weights "
      "normalised, × 2.5");
  Json json = olmoe();
  json["clip_qkv"] = 8;
  write(folder / "config.json", json.dump());
  EXPECT_EQ(summarise(folder).attention,
            "16 heads × 128, q/k norm over all heads, q, k and v clipped at 8; RoPE base 10000");
}

}  // namespace
}  // namespace committee::model
