#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/random.h"
#include "model/config.h"

namespace committee::engine {

// Writes a small checkpoint with random weights, whose attention and routing are far from uniform.
class RandomCheckpoint {
 public:
  RandomCheckpoint(const Json& config, std::string dtype, uint64_t seed)
      : dtype_(std::move(dtype)), random_(seed) {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    std::string name =
        std::string(info->test_suite_name()) + "." + info->name() + "." + std::to_string(seed) + dtype_;
    for (char& c : name) c = c == '/' ? '_' : c;
    folder_ = std::filesystem::path(testing::TempDir()) / "committee_engine" / name;
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "config.json") << config.dump();
    const model::ModelConfig c = model::parse_config(config, "config.json");
    add("model.embed_tokens.weight", {c.vocab, c.d_model}, 1);
    for (int l = 0; l < c.layers; ++l) add_layer(c, l);
    add("model.norm.weight", {c.d_model});
    if (!c.tied_embeddings) add("lm_head.weight", {c.vocab, c.d_model}, 2 / std::sqrt(c.d_model));
    write("model.safetensors", padded(header_), data_);
  }

  const std::filesystem::path& folder() const { return folder_; }

  // Layers in layers.safetensors, the rest in rest.safetensors.
  void split() const {
    Json layers, rest, map;
    std::string layer_data, rest_data;
    for (const auto& [name, tensor] : header_.items()) {
      const bool in_layer = name.starts_with("model.layers.");
      std::string& to = in_layer ? layer_data : rest_data;
      const size_t begin = tensor["data_offsets"][0].get<size_t>(), at = to.size();
      to += data_.substr(begin, tensor["data_offsets"][1].get<size_t>() - begin);
      Json& moved = (in_layer ? layers : rest)[name] = tensor;
      moved["data_offsets"] = {at, to.size()};
      map[name] = in_layer ? "layers.safetensors" : "rest.safetensors";
    }
    std::filesystem::remove(folder_ / "model.safetensors");
    write("layers.safetensors", padded(layers), layer_data);
    write("rest.safetensors", padded(rest), rest_data);
    std::ofstream(folder_ / "model.safetensors.index.json") << Json{{"weight_map", map}}.dump();
  }

  // Overwrites one element of a tensor in the file.
  void poison(const std::string& tensor, float value = std::nanf("")) const {
    std::fstream file(folder_ / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    const std::string header = padded(header_);
    file.seekp(
        static_cast<std::streamoff>(8 + header.size() + header_[tensor]["data_offsets"][0].get<size_t>()));
    const std::string bytes = encode(value);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

 private:
  void add_layer(const model::ModelConfig& c, int l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".", attention = layer + "self_attn.";
    const model::Attention& a = c.attention;
    const int d = c.d_model;
    add(layer + "input_layernorm.weight", {d});
    add(layer + "post_attention_layernorm.weight", {d});
    if (a.latent) {
      const model::Latent& latent = *a.latent;
      if (latent.q_rank) {
        linear(attention + "q_a_proj", latent.q_rank, d, a.qkv_bias);
        add(attention + "q_a_layernorm.weight", {latent.q_rank});
        linear(attention + "q_b_proj", a.heads * a.qk_dim, latent.q_rank, false);
      } else {
        linear(attention + "q_proj", a.heads * a.qk_dim, d, false);
      }
      linear(attention + "kv_a_proj_with_mqa", latent.kv_rank + latent.rope_dim, d, a.qkv_bias);
      add(attention + "kv_a_layernorm.weight", {latent.kv_rank});
      linear(attention + "kv_b_proj", a.heads * (latent.nope_dim + a.v_dim), latent.kv_rank, false);
    } else {
      linear(attention + "q_proj", a.heads * a.qk_dim, d, a.qkv_bias);
      linear(attention + "k_proj", a.kv_heads * a.qk_dim, d, a.qkv_bias);
      linear(attention + "v_proj", a.kv_heads * a.v_dim, d, a.qkv_bias);
      const bool whole = a.qk_norm == model::QkNorm::kWholeProjection;
      if (a.qk_norm != model::QkNorm::kNone) {
        add(attention + "q_norm.weight", {whole ? a.heads * a.qk_dim : a.qk_dim});
        add(attention + "k_norm.weight", {whole ? a.kv_heads * a.qk_dim : a.qk_dim});
      }
    }
    linear(attention + "o_proj", d, a.heads * a.v_dim, a.output_bias);
    if (!c.is_moe(l)) return gated(layer + "mlp.", c.dense_width, d);
    add(layer + "mlp.gate.weight", {c.router.experts, d}, 2 / std::sqrt(d));
    if (c.router.correction_bias) add(layer + "mlp.gate.e_score_correction_bias", {c.router.experts}, 0.1);
    for (int e = 0; e < c.router.experts; ++e)
      gated(layer + "mlp.experts." + std::to_string(e) + ".", c.expert_width, d);
    if (c.shared_experts)
      gated(layer + (c.shared_gate ? "mlp.shared_expert." : "mlp.shared_experts."), c.shared_width, d);
    if (c.shared_gate) add(layer + "mlp.shared_expert_gate.weight", {1, d}, 1 / std::sqrt(d));
  }

  void linear(const std::string& name, int out, int in, bool bias) {
    add(name + ".weight", {out, in}, 2 / std::sqrt(in));
    if (bias) add(name + ".bias", {out}, 0.3);
  }

  // Every other feed-forward has its gate and up apart, so that they are no single matrix.
  void gated(const std::string& prefix, int width, int d) {
    const double gain = 1.4 / std::sqrt(d);
    add(prefix + "gate_proj.weight", {width, d}, gain);
    if (apart_) add(prefix + "down_proj.weight", {d, width}, 1.4 / std::sqrt(width));
    add(prefix + "up_proj.weight", {width, d}, gain);
    if (!apart_) add(prefix + "down_proj.weight", {d, width}, 1.4 / std::sqrt(width));
    apart_ = !apart_;
  }

  // Uniform with the given standard deviation; norms (no deviation given) in [0.5, 1.5].
  void add(const std::string& name, const std::vector<int>& shape, double deviation = 0) {
    const size_t begin = data_.size();
    int64_t count = 1;
    for (const int extent : shape) count *= extent;
    for (int64_t i = 0; i < count; ++i) {
      const double u = random_.uniform();
      data_ += encode(static_cast<float>(deviation > 0 ? (2 * u - 1) * std::sqrt(3.0) * deviation : u + 0.5));
    }
    header_[name] = {{"dtype", dtype_}, {"shape", shape}, {"data_offsets", {begin, data_.size()}}};
  }

  std::string encode(float value) const {
    const auto bytes = [](auto v) { return std::string(reinterpret_cast<const char*>(&v), sizeof v); };
    if (dtype_ == "F32") return bytes(value);
    if (dtype_ == "BF16") return bytes(static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16));
    return bytes(static_cast<_Float16>(value));
  }

  static std::string padded(const Json& tensors) {
    std::string header = tensors.dump();
    header.append((8 - header.size() % 8) % 8, ' ');
    return header;
  }

  void write(const char* name, const std::string& header, const std::string& data) const {
    const uint64_t size = header.size();
    std::ofstream file(folder_ / name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&size), sizeof size);
    file << header << data;
  }

  std::string dtype_, data_;
  Random random_;
  std::filesystem::path folder_;
  Json header_;
  bool apart_ = false;
};

// Configurations with sizes that no vector width divides.
inline Json odd_qwen3() {
  return {{"model_type", "qwen3_moe"},   {"hidden_size", 37},      {"intermediate_size", 29},
          {"moe_intermediate_size", 11}, {"num_hidden_layers", 3}, {"num_attention_heads", 6},
          {"num_key_value_heads", 2},    {"head_dim", 10},         {"num_experts", 7},
          {"num_experts_per_tok", 3},    {"norm_topk_prob", true}, {"mlp_only_layers", {1}},
          {"decoder_sparse_step", 1},    {"vocab_size", 101},      {"max_position_embeddings", 2048},
          {"rope_theta", 10000.0},       {"rms_norm_eps", 1e-6},   {"attention_bias", true},
          {"hidden_act", "silu"},        {"eos_token_id", 5}};
}

inline Json odd_deepseek() {
  return {{"model_type", "deepseek_v2"},
          {"hidden_size", 35},
          {"intermediate_size", 41},
          {"moe_intermediate_size", 13},
          {"num_hidden_layers", 3},
          {"num_attention_heads", 3},
          {"num_key_value_heads", 3},
          {"n_routed_experts", 9},
          {"n_shared_experts", 2},
          {"num_experts_per_tok", 4},
          {"q_lora_rank", 17},
          {"kv_lora_rank", 19},
          {"qk_rope_head_dim", 6},
          {"qk_nope_head_dim", 7},
          {"v_head_dim", 5},
          {"first_k_dense_replace", 1},
          {"topk_method", "group_limited_greedy"},
          {"n_group", 3},
          {"topk_group", 2},
          {"routed_scaling_factor", 1.7},
          {"norm_topk_prob", false},
          {"vocab_size", 97},
          {"max_position_embeddings", 8192},
          {"rope_theta", 10000.0},
          {"rope_scaling",
           {{"type", "yarn"},
            {"factor", 4},
            {"original_max_position_embeddings", 64},
            {"beta_fast", 32},
            {"beta_slow", 1},
            {"mscale", 0.8},
            {"mscale_all_dim", 0.5}}},
          {"rms_norm_eps", 1e-6},
          {"hidden_act", "silu"},
          {"eos_token_id", 1}};
}

inline Json odd_qwen2() {
  return {{"model_type", "qwen2_moe"},
          {"hidden_size", 30},
          {"intermediate_size", 23},
          {"moe_intermediate_size", 9},
          {"shared_expert_intermediate_size", 21},
          {"num_hidden_layers", 2},
          {"num_attention_heads", 5},
          {"num_key_value_heads", 1},
          {"num_experts", 5},
          {"num_experts_per_tok", 5},
          {"norm_topk_prob", false},
          {"vocab_size", 89},
          {"max_position_embeddings", 2048},
          {"rope_theta", 10000.0},
          {"rms_norm_eps", 1e-6},
          {"hidden_act", "silu"},
          {"eos_token_id", 2},
          {"decoder_sparse_step", 1}};
}

// One expert, one head.
inline Json single_olmoe() {
  return {{"model_type", "olmoe"},
          {"hidden_size", 12},
          {"intermediate_size", 7},
          {"num_hidden_layers", 1},
          {"num_attention_heads", 1},
          {"num_key_value_heads", 1},
          {"num_experts", 1},
          {"num_experts_per_tok", 1},
          {"clip_qkv", 0.7},
          {"vocab_size", 50},
          {"max_position_embeddings", 64},
          {"rope_theta", 10000.0},
          {"rms_norm_eps", 1e-5},
          {"hidden_act", "silu"},
          {"eos_token_id", 0}};
}

}  // namespace committee::engine
