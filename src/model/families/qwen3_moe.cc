#include "model/families/family.h"

namespace committee::model {

namespace {

void describe(const ConfigReader& in, ModelConfig& out) {
  read_decoder(in, 1e-6, out);
  read_heads(in, out);
  read_rope(in, 10000, 1, out.attention.qk_dim, out);
  if (in.flag("use_sliding_window", false)) refuse_sliding_window(in, out);
  out.attention.qk_norm = QkNorm::kPerHead;
  out.attention.qkv_bias = out.attention.output_bias = in.flag("attention_bias", false);

  out.router.experts = in.size({"num_experts", "num_local_experts"});
  out.router.top_k = in.size("num_experts_per_tok");
  out.router.normalize_top_k = in.flag("norm_topk_prob", false);
  out.expert_width = in.size("moe_intermediate_size");
  moe_by_sparse_step(in, out);
}

}  // namespace

extern constexpr Family kQwen3Moe = {.model_type = "qwen3_moe", .describe = describe, .names = {}};

}  // namespace committee::model
