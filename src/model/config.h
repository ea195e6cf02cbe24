#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace committee::model {

enum class QkNorm { kNone, kWholeProjection, kPerHead };
enum class RopePairing { kHalves, kInterleaved };  // (i, i + d/2), or (2i, 2i + 1)
enum class RouterScore { kSoftmax, kSigmoid };
enum class GroupScore {
  kBest,
  kSumOfTwoBest
};  // how a group of experts is scored for group-limited selection

// YaRN (arXiv 2309.00071): frequencies blended between interpolated (divided by `factor`) and original;
// `attention_factor` scales cos and sin. `truncate`: the ends of the blend are rounded outwards to whole
// dimensions.
struct Yarn {
  double factor = 1, original_positions = 0, beta_fast = 32, beta_slow = 1, attention_factor = 1;
  bool truncate = true;
};

struct Rope {
  double theta = 10000;
  int dims = 0;  // of each head that rotate, the first ones; for latent attention the rope part
  RopePairing pairing = RopePairing::kHalves;
  double linear_factor = 1;  // positions are divided by it
  std::optional<Yarn> yarn;
};

// Multi-head latent attention (DeepSeek): keys and values from one latent row a token.
struct Latent {
  int q_rank = 0;  // 0: q projected directly
  int kv_rank = 0, nope_dim = 0, rope_dim = 0;
  double norm_eps = 1e-6;  // of q_a_layernorm and kv_a_layernorm
};

struct Attention {
  int heads = 0, kv_heads = 0;
  int qk_dim = 0, v_dim = 0;  // of a head
  QkNorm qk_norm = QkNorm::kNone;
  bool qkv_bias = false;  // of q, k and v; with `latent` of q_a and kv_a
  bool output_bias = false;
  std::optional<double> clip_qkv;
  double scale = 0;  // of the scores, YaRN's square included
  std::optional<Latent> latent;
  Rope rope;
};

struct Router {
  int experts = 0, top_k = 0;
  RouterScore score = RouterScore::kSoftmax;
  bool normalize_top_k = false;  // weights divided by their sum
  bool correction_bias = false;  // selection on score + bias, weights from the score
  double scaling = 1;            // routed_scaling_factor
  int groups = 1, top_groups = 1;
  GroupScore group_score = GroupScore::kBest;
};

// Widths of feed-forwards, heads times their dimensions: refused beyond.
inline constexpr int kMaxWidth = 1 << 22;

// One decoder-only MoE transformer, whatever its family: what the forward pass needs to know.
struct ModelConfig {
  std::string model_type;
  int layers = 0, d_model = 0, vocab = 0, max_positions = 0;
  double norm_eps = 1e-5;
  bool tied_embeddings = false;
  Attention attention;
  Router router;
  std::vector<int> moe_layers;  // ids of the layers with routed experts, ascending
  int dense_width = 0;          // of the feed-forward of other layers
  int expert_width = 0;
  int shared_experts = 0, shared_width = 0;  // width of all shared experts together
  bool shared_gate = false;                  // scaled by sigmoid(shared_expert_gate · x)
  int prediction_layers = 0;        // extra layers behind the last for multi-token prediction: not used
  std::vector<int32_t> end_tokens;  // of generation_config.json where that has them
  std::string dtype;                // of the weights, as config.json says: "bfloat16"; may be empty
  std::string quantization;         // "fp8", "mxfp4", "gptq", …; empty where there is none

  bool is_moe(int layer) const;
};

// Reads FOLDER/config.json (or a config.json itself), in old and new style, with what generation_config.json
// beside it says of end tokens. Throws Error for an unknown model_type (listing the known), missing or
// impossible values, and anything that would change the forward pass and is not supported. Quantised
// checkpoints are described here and refused, by name, by Model::open.
ModelConfig read_config(const std::filesystem::path& path);
ModelConfig parse_config(const Json& json, const std::string& file);

}  // namespace committee::model
