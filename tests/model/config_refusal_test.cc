#include <functional>

#include "configs.h"
#include "files.h"

namespace committee::model {
namespace {

using testing::HasSubstr;

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

}  // namespace
}  // namespace committee::model
