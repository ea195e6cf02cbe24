#include "shapes.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "model/config.h"

namespace committee::bench {
namespace {

Json base_config(const std::string& type, int layers, int d, int heads, int kv_heads, int vocab) {
  return {{"model_type", type},
          {"num_hidden_layers", layers},
          {"hidden_size", d},
          {"num_attention_heads", heads},
          {"num_key_value_heads", kv_heads},
          {"vocab_size", vocab},
          {"max_position_embeddings", 131072},
          {"rope_theta", 10000.0},
          {"rms_norm_eps", 1e-6},
          {"hidden_act", "silu"},
          {"eos_token_id", 0},
          {"torch_dtype", "bfloat16"}};
}

Json config_of(const std::string& shape, int layers) {
  if (shape == "olmoe") {
    Json config = base_config("olmoe", layers, 2048, 16, 16, 50304);
    config.update({{"intermediate_size", 1024},
                   {"num_experts", 64},
                   {"num_experts_per_tok", 8},
                   {"norm_topk_prob", false}});
    return config;
  }
  if (shape == "qwen3") {
    Json config = base_config("qwen3_moe", layers, 2048, 32, 4, 151936);
    config.update({{"head_dim", 128},
                   {"intermediate_size", 6144},
                   {"moe_intermediate_size", 768},
                   {"num_experts", 128},
                   {"num_experts_per_tok", 8},
                   {"norm_topk_prob", true},
                   {"decoder_sparse_step", 1},
                   {"mlp_only_layers", Json::array()}});
    return config;
  }
  if (shape == "deepseek") {
    Json config = base_config("deepseek_v2", layers, 2048, 16, 16, 102400);
    config.update({{"intermediate_size", 10944},
                   {"moe_intermediate_size", 1408},
                   {"n_routed_experts", 64},
                   {"n_shared_experts", 2},
                   {"num_experts_per_tok", 6},
                   {"q_lora_rank", nullptr},
                   {"kv_lora_rank", 512},
                   {"qk_rope_head_dim", 64},
                   {"qk_nope_head_dim", 128},
                   {"v_head_dim", 128},
                   {"first_k_dense_replace", 1},
                   {"topk_method", "greedy"},
                   {"n_group", 1},
                   {"topk_group", 1},
                   {"routed_scaling_factor", 1.0},
                   {"norm_topk_prob", false},
                   {"rope_scaling",
                    {{"type", "yarn"},
                     {"factor", 40},
                     {"original_max_position_embeddings", 4096},
                     {"beta_fast", 32},
                     {"beta_slow", 1},
                     {"mscale", 0.707},
                     {"mscale_all_dim", 0.707}}}});
    return config;
  }
  throw Error("\"{}\" is no shape: olmoe, qwen3 or deepseek", shape);
}

struct Entry {
  std::string name;
  std::vector<int64_t> shape;
  double deviation = 0;  // 0: a norm, near 1
  bool router = false;
};

// All tensors in the order that Hugging Face writes them (by name inside a layer: down, gate, up).
class Layout {
 public:
  explicit Layout(const model::ModelConfig& c) : c_(c) {
    add("model.embed_tokens.weight", {c.vocab, c.d_model}, 1);
    for (int l = 0; l < c.layers; ++l) layer("model.layers." + std::to_string(l) + ".", c.is_moe(l));
    add("model.norm.weight", {c.d_model});
    linear("lm_head", c.vocab, c.d_model);
  }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  void add(const std::string& name, std::vector<int64_t> shape, double deviation = 0) {
    entries_.push_back({name, std::move(shape), deviation});
  }
  void linear(const std::string& name, int64_t out, int64_t in) {
    add(name + ".weight", {out, in}, 1 / std::sqrt(in));
  }
  void gated(const std::string& prefix, int64_t width) {
    linear(prefix + "down_proj", c_.d_model, width);
    linear(prefix + "gate_proj", width, c_.d_model);
    linear(prefix + "up_proj", width, c_.d_model);
  }
  void layer(const std::string& prefix, bool moe) {
    const model::Attention& a = c_.attention;
    add(prefix + "input_layernorm.weight", {c_.d_model});
    const std::string mlp = prefix + "mlp.", attention = prefix + "self_attn.";
    if (moe) {
      for (int e = 0; e < c_.router.experts; ++e)
        gated(mlp + "experts." + std::to_string(e) + ".", c_.expert_width);
      linear(mlp + "gate", c_.router.experts, c_.d_model);
      entries_.back().router = true;
      if (c_.shared_experts) gated(mlp + "shared_experts.", c_.shared_width);
    } else {
      gated(mlp, c_.dense_width);
    }
    add(prefix + "post_attention_layernorm.weight", {c_.d_model});
    linear(attention + "q_proj", a.heads * a.qk_dim, c_.d_model);
    if (a.latent) {
      linear(attention + "kv_a_proj_with_mqa", a.latent->kv_rank + a.latent->rope_dim, c_.d_model);
      add(attention + "kv_a_layernorm.weight", {a.latent->kv_rank});
      linear(attention + "kv_b_proj", a.heads * (a.latent->nope_dim + a.v_dim), a.latent->kv_rank);
    } else {
      linear(attention + "k_proj", a.kv_heads * a.qk_dim, c_.d_model);
      linear(attention + "v_proj", a.kv_heads * a.v_dim, c_.d_model);
      const bool whole = a.qk_norm == model::QkNorm::kWholeProjection;
      add(attention + "q_norm.weight", {whole ? a.heads * a.qk_dim : a.qk_dim});
      add(attention + "k_norm.weight", {whole ? a.kv_heads * a.qk_dim : a.qk_dim});
    }
    linear(attention + "o_proj", c_.d_model, a.heads * a.v_dim);
  }

  const model::ModelConfig& c_;
  std::vector<Entry> entries_;
};

// An expert's row of a router is this much longer than the mean: longer rows are chosen more often, so that
// loads spread over half to one and a half of the mean, as trained routers' do.
float row_scale(const Entry& entry, int64_t row) {
  return entry.router ? 0.75f + static_cast<float>(row * 37 % entry.shape[0]) * 0.5f /
                                    static_cast<float>(entry.shape[0])
                      : 1.0f;
}

// Uniform numbers in BF16 from a multiplicative generator: fast, as a checkpoint has gigabytes.
void fill(const Entry& entry, uint64_t seed, std::ofstream& file) {
  int64_t left = 1, at = 0;
  for (const int64_t extent : entry.shape) left *= extent;
  uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  const float range = static_cast<float>(entry.deviation * 2 * std::sqrt(3.0));
  std::vector<uint16_t> part(1 << 20);
  for (; left > 0; left -= static_cast<int64_t>(part.size())) {
    part.resize(static_cast<size_t>(std::min<int64_t>(left, 1 << 20)));
    const int64_t row_length = entry.shape.back();
    float scale = row_scale(entry, at / row_length);
    for (uint16_t& value : part) {
      if (entry.router && at % row_length == 0) scale = row_scale(entry, at / row_length);
      ++at;
      state = state * 6364136223846793005u + 1442695040888963407u;
      const float u = static_cast<float>(state >> 40) * 0x1p-24f - 0.5f;
      const float x = entry.deviation > 0 ? u * range * scale : 1.0f + u * 0.2f;
      value = static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16);
    }
    file.write(reinterpret_cast<const char*>(part.data()), static_cast<std::streamsize>(part.size() * 2));
  }
}

}  // namespace

std::filesystem::path make_checkpoint(const std::string& shape, int layers,
                                      const std::filesystem::path& folder) {
  const Json config = config_of(shape, layers);
  const model::ModelConfig parsed = model::parse_config(config, shape);
  const Layout layout(parsed);
  Json header;
  size_t end = 0;
  for (const Entry& entry : layout.entries()) {
    const size_t begin = end;
    size_t bytes = 2;
    for (const int64_t extent : entry.shape) bytes *= static_cast<size_t>(extent);
    end += bytes;
    header[entry.name] = {{"dtype", "BF16"}, {"shape", entry.shape}, {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump();
  text.append((64 - (text.size() + 8) % 64) % 64, ' ');
  const std::filesystem::path path = folder / "model.safetensors";
  if (exists(path) && file_size(path) == end + text.size() + 8 && exists(folder / "config.json"))
    return folder;
  create_directories(folder);
  std::ofstream(folder / "config.json") << config.dump(1);
  std::ofstream file(path, std::ios::binary);
  const uint64_t size = text.size();
  file.write(reinterpret_cast<const char*>(&size), sizeof size);
  file << text;
  uint64_t seed = 1;
  for (const Entry& entry : layout.entries()) fill(entry, seed++, file);
  file.close();
  if (!file) throw Error("{}: could not be written", path.string());
  return folder;
}

}  // namespace committee::bench
