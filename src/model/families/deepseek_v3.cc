#include "model/families/deepseek.h"

namespace committee::model {

namespace {

void describe(const ConfigReader& in, ModelConfig& out) {
  read_decoder(in, 1e-6, out);
  read_latent_attention(in, out);
  if (!in.flag("rope_interleave", true)) out.attention.rope.pairing = RopePairing::kHalves;
  read_deepseek_experts(in, out);
  in.only("scoring_func", {"sigmoid"});
  in.only("topk_method", {"noaux_tc"});
  out.router.score = RouterScore::kSigmoid;
  out.router.correction_bias = true;
  out.router.normalize_top_k = in.flag("norm_topk_prob", true);
  out.router.scaling = in.number("routed_scaling_factor", 2.5);
  out.router.groups = in.size("n_group", 8);
  out.router.top_groups = in.size("topk_group", 4);
  out.router.group_score = GroupScore::kSumOfTwoBest;
}

}  // namespace

constexpr extern const Family kDeepseekV3 = {.model_type = "deepseek_v3", .describe = describe, .names = {}};

}  // namespace committee::model
