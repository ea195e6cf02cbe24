#include "model/families/deepseek.h"

namespace committee::model {

namespace {

// Grouped-query attention before DeepSeek-V3's experts.
void describe(const ConfigReader& in, ModelConfig& out) {
  read_decoder(in, 1e-5, out);
  read_heads(in, out);
  read_rope(in, 10000, 0.5, out.attention.qk_dim, out);
  refuse_sliding_window(in, out);
  out.attention.qk_norm = in.flag("use_qk_norm", false) ? QkNorm::kPerHead : QkNorm::kNone;
  out.attention.qkv_bias = in.flag("attention_bias", false);

  read_deepseek_experts(in, out);
  in.only("scoring_func", {"sigmoid"});
  in.only("topk_method", {"noaux_tc"});
  out.router.score = RouterScore::kSigmoid;
  out.router.correction_bias = true;
  out.router.normalize_top_k = in.flag("norm_topk_prob", true);
  out.router.scaling = in.number("routed_scaling_factor", 1);
  out.router.groups = in.size("n_group", 1);
  out.router.top_groups = in.size("topk_group", 1);
  out.router.group_score = GroupScore::kSumOfTwoBest;
}

}  // namespace

constexpr extern const Family kGlm4Moe = {.model_type = "glm4_moe", .describe = describe, .names = {}};

}  // namespace committee::model
