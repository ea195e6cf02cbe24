#include "model/families/deepseek.h"

#include <cmath>

namespace committee::model {

void read_latent_attention(const ConfigReader& in, ModelConfig& out) {
  Attention& attention = out.attention;
  attention.heads = in.size("num_attention_heads");
  attention.kv_heads = in.size("num_key_value_heads", attention.heads);
  if (attention.kv_heads != attention.heads) {
    in.fail("num_key_value_heads", "must equal num_attention_heads with latent attention");
  }
  Latent latent;
  latent.q_rank = in.count("q_lora_rank", 0);
  latent.kv_rank = in.size("kv_lora_rank");
  latent.nope_dim = in.size("qk_nope_head_dim");
  latent.rope_dim = in.size("qk_rope_head_dim");
  attention.latent = latent;
  attention.qk_dim = latent.nope_dim + latent.rope_dim;
  attention.v_dim = in.size("v_head_dim");
  attention.qkv_bias = attention.output_bias = in.flag("attention_bias", false);
  in.refuse_true("mlp_bias");

  const double mscale = read_rope(in, 10000, 1, latent.rope_dim, out);
  attention.rope.pairing = RopePairing::kInterleaved;
  attention.scale = mscale * mscale / std::sqrt(attention.qk_dim);
}

void read_deepseek_experts(const ConfigReader& in, ModelConfig& out) {
  out.router.experts = in.size({"n_routed_experts", "num_experts", "num_local_experts"});
  out.router.top_k = in.size("num_experts_per_tok");
  out.expert_width = in.size("moe_intermediate_size");
  out.dense_width = in.size("intermediate_size");
  out.shared_experts = in.count("n_shared_experts", 0);
  const int64_t shared_width = int64_t{out.shared_experts} * out.expert_width;
  if (shared_width > kMaxWidth) in.fail("n_shared_experts", "makes the shared experts impossibly wide");
  out.shared_width = static_cast<int>(shared_width);
  if (in.size("moe_layer_freq", 1) != 1)
    in.fail("moe_layer_freq", "must be 1, other values are not supported");
  moe_from(in.count("first_k_dense_replace", 0), out);
}

void read_sigmoid_router(const ConfigReader& in, double scaling, int groups, int top_groups,
                         ModelConfig& out) {
  in.only("scoring_func", {"sigmoid"});
  in.only("topk_method", {"noaux_tc"});
  out.router.score = RouterScore::kSigmoid;
  out.router.correction_bias = true;
  out.router.normalize_top_k = in.flag("norm_topk_prob", true);
  out.router.scaling = in.number("routed_scaling_factor", scaling);
  out.router.groups = in.size("n_group", groups);
  out.router.top_groups = in.size("topk_group", top_groups);
  out.router.group_score = GroupScore::kSumOfTwoBest;
}

}  // namespace committee::model
