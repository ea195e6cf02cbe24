#include "model/summary.h"

#include <fmt/format.h>

#include <algorithm>

namespace committee::model {

namespace fs = std::filesystem;

namespace {

uint64_t product(int64_t a, int64_t b) { return static_cast<uint64_t>(a) * static_cast<uint64_t>(b); }

uint64_t attention_parameters(const ModelConfig& config) {
  const Attention& attention = config.attention;
  const int64_t d = config.d_model, heads = attention.heads, q = heads * attention.qk_dim,
                v = heads * attention.v_dim;
  uint64_t count = product(2, d) + product(v, d) + (attention.output_bias ? product(1, d) : 0);
  if (attention.latent) {
    const Latent& latent = *attention.latent;
    const int64_t kv = latent.kv_rank + latent.rope_dim;
    count += product(kv, d) + product(1, latent.kv_rank);
    count += product(heads * (latent.nope_dim + attention.v_dim), latent.kv_rank);
    count += latent.q_rank == 0 ? product(q, d) : product(latent.q_rank, d + 1 + q);
    return count + (attention.qkv_bias ? product(1, kv + latent.q_rank) : 0);
  }
  const int64_t k = int64_t{attention.kv_heads} * attention.qk_dim,
                kv_v = int64_t{attention.kv_heads} * attention.v_dim;
  count += product(q + k + kv_v, d + (attention.qkv_bias ? 1 : 0));
  if (attention.qk_norm == QkNorm::kWholeProjection) count += product(1, q + k);
  if (attention.qk_norm == QkNorm::kPerHead) count += product(2, attention.qk_dim);
  return count;
}

std::string describe_rope(const Rope& rope, int head_dim) {
  std::string text = fmt::format("RoPE base {:.10g}", rope.theta);
  if (rope.dims < head_dim) text += fmt::format(" on {} of {} dimensions", rope.dims, head_dim);
  if (rope.pairing == RopePairing::kInterleaved) text += ", interleaved";
  if (rope.linear_factor != 1) text += fmt::format(", positions / {:g}", rope.linear_factor);
  if (rope.yarn)
    text += fmt::format(", YaRN × {:g} of {:g} positions", rope.yarn->factor, rope.yarn->original_positions);
  return text;
}

std::string describe_attention(const ModelConfig& config) {
  const Attention& attention = config.attention;
  std::string text;
  if (attention.latent) {
    const Latent& latent = *attention.latent;
    text = fmt::format("latent: {} heads, keys {} + {} rotated, values {}, latent {}", attention.heads,
                       latent.nope_dim, latent.rope_dim, attention.v_dim, latent.kv_rank);
    if (latent.q_rank > 0) text += fmt::format(", queries through {}", latent.q_rank);
  } else {
    text = fmt::format("{} heads × {}", attention.heads, attention.qk_dim);
    if (attention.kv_heads != attention.heads)
      text += fmt::format(", {} for keys and values", attention.kv_heads);
  }
  if (attention.qk_norm == QkNorm::kWholeProjection) text += ", q/k norm over all heads";
  if (attention.qk_norm == QkNorm::kPerHead) text += ", q/k norm per head";
  if (attention.qkv_bias) text += ", biases";
  if (attention.clip_qkv) text += fmt::format(", q, k and v clipped at {:g}", *attention.clip_qkv);
  const int rotating = attention.latent ? attention.latent->rope_dim : attention.qk_dim;
  return text + "; " + describe_rope(attention.rope, rotating);
}

std::string describe_router(const Router& router) {
  std::string text = router.score == RouterScore::kSoftmax ? "softmax" : "sigmoid";
  if (router.correction_bias) text += " with correction bias";
  text += fmt::format(", top {} of {}", router.top_k, router.experts);
  if (router.groups > 1) {
    text += fmt::format(" in the {} best of {} groups (by {})", router.top_groups, router.groups,
                        router.group_score == GroupScore::kBest ? "best expert" : "sum of the two best");
  }
  text += router.normalize_top_k ? ", weights normalised" : ", weights as they are";
  if (router.scaling != 1) text += fmt::format(", × {:g}", router.scaling);
  return text;
}

int bytes_of_dtype(const std::string& dtype) { return dtype == "float32" ? 4 : 2; }

// Float32 rows that a token has while its layer is computed: the residual stream and its norm, q, k, v and
// the attention's output, router scores, and for each of its feed-forwards input, gate, up and output.
uint64_t activation_floats(const ModelConfig& config) {
  const Attention& attention = config.attention;
  const int64_t kv_heads = attention.kv_heads;
  const int64_t attended = int64_t{attention.heads} * (attention.qk_dim + attention.v_dim) +
                           kv_heads * (attention.qk_dim + attention.v_dim);
  const int64_t routed = int64_t{config.router.top_k} * 2 * (config.d_model + config.expert_width);
  const int64_t other = 2 * int64_t{std::max(config.dense_width, config.shared_width)};
  return static_cast<uint64_t>(2 * int64_t{config.d_model} + attended + config.router.experts + routed +
                               other);
}

uint64_t two_layers(const ModelConfig& config, const ParameterCount& count) {
  const uint64_t moe = count.attention + count.router + count.shared +
                       count.expert * static_cast<uint64_t>(config.router.experts);
  const auto of = [&](int layer) { return config.is_moe(layer) ? moe : count.attention + count.dense; };
  uint64_t most = of(0);
  for (int layer = 1; layer < config.layers; ++layer) most = std::max(most, of(layer - 1) + of(layer));
  return most;
}

std::optional<uint64_t> safetensors_bytes(const fs::path& folder) {
  std::error_code unreadable;
  std::optional<uint64_t> bytes;
  for (const auto& entry : fs::directory_iterator(folder, unreadable)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("model") && name.ends_with(".safetensors") && entry.is_regular_file(unreadable)) {
      bytes = bytes.value_or(0) + entry.file_size();
    }
  }
  return bytes;
}

}  // namespace

ParameterCount count_parameters(const ModelConfig& config) {
  const int64_t d = config.d_model;
  const uint64_t moe = config.moe_layers.size(), layers = static_cast<uint64_t>(config.layers);
  ParameterCount count;
  count.embedding = product(config.tied_embeddings ? 1 : 2, config.vocab) * static_cast<uint64_t>(d);
  count.attention = attention_parameters(config);
  count.router = product(config.router.experts, d + (config.router.correction_bias ? 1 : 0));
  count.expert = product(3 * d, config.expert_width);
  count.shared = product(3 * d, config.shared_width) + (config.shared_gate ? static_cast<uint64_t>(d) : 0);
  count.dense = product(3 * d, config.dense_width);
  const uint64_t rest = count.embedding + static_cast<uint64_t>(d) + layers * count.attention +
                        moe * (count.router + count.shared) + (layers - moe) * count.dense;
  count.total = rest + moe * count.expert * static_cast<uint64_t>(config.router.experts);
  count.active = rest + moe * count.expert * static_cast<uint64_t>(config.router.top_k);
  return count;
}

ModelSummary summarise(const fs::path& path, int64_t pass_tokens) {
  ModelSummary summary;
  summary.config = read_config(path);
  const ModelConfig& config = summary.config;
  summary.parameters = count_parameters(config);
  summary.attention = describe_attention(config);
  summary.router = describe_router(config.router);
  summary.bytes_per_weight = bytes_of_dtype(config.dtype);
  const auto bytes_per_weight = static_cast<uint64_t>(summary.bytes_per_weight);
  summary.weight_bytes = summary.parameters.total * bytes_per_weight;
  summary.file_bytes = safetensors_bytes(path);
  summary.pass_tokens = pass_tokens;
  summary.pass_bytes =
      (two_layers(config, summary.parameters) + summary.parameters.embedding) * bytes_per_weight +
      activation_floats(config) * static_cast<uint64_t>(pass_tokens) * sizeof(float);
  return summary;
}

}  // namespace committee::model
