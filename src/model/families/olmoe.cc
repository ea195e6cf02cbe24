#include "model/families/family.h"

namespace committee::model {

namespace {

void describe(const ConfigReader& in, ModelConfig& out) {
  read_decoder(in, 1e-5, out);
  read_heads(in, out);
  if (int64_t{out.attention.qk_dim} * out.attention.heads != out.d_model) {
    in.fail("head_dim", "must be hidden_size / num_attention_heads in this family");
  }
  read_rope(in, 10000, 1, out.attention.qk_dim, out);
  refuse_sliding_window(in, out);
  out.attention.qk_norm = QkNorm::kWholeProjection;
  out.attention.qkv_bias = out.attention.output_bias = in.flag("attention_bias", false);
  if (in.has("clip_qkv")) out.attention.clip_qkv = in.positive("clip_qkv", 0);

  out.router.experts = in.size({"num_experts", "num_local_experts"});
  out.router.top_k = in.size("num_experts_per_tok");
  out.router.normalize_top_k = in.flag("norm_topk_prob", false);
  out.expert_width = in.size("intermediate_size");
  moe_from(0, out);
}

}  // namespace

extern constexpr Family kOlmoe = {.model_type = "olmoe", .describe = describe, .names = {}};

}  // namespace committee::model
