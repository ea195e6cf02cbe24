#pragma once

#include "base/json.h"
#include "files.h"
#include "model/config.h"

namespace committee::model {

inline ModelConfig parse(const Json& json) { return parse_config(json, "config.json"); }

// The sentence that refuses this config.
inline std::string refused(const Json& json) {
  const std::string sentence = error_of([&] { parse(json); });
  EXPECT_THAT(sentence, testing::StartsWith("config.json"));
  return sentence;
}

// The values of Qwen/Qwen3-30B-A3B.
inline Json qwen3() {
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
inline Json deepseek_v2() {
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
inline Json olmoe() {
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

}  // namespace committee::model
