#include "model/families/deepseek.h"

namespace committee::model {

namespace {

// norm_topk_prob is not read: transformers never normalises in this family, and no released model asks for
// it.
void describe(const ConfigReader& in, ModelConfig& out) {
  read_decoder(in, 1e-6, out);
  read_latent_attention(in, out);
  read_deepseek_experts(in, out);
  in.only("scoring_func", {"softmax"});
  in.only("topk_method", {"greedy", "group_limited_greedy"});
  out.router.scaling = in.number("routed_scaling_factor", 1);
  if (in.text("topk_method", "greedy") == "group_limited_greedy") {
    out.router.groups = in.size("n_group");
    out.router.top_groups = in.size("topk_group");
  }
}

}  // namespace

extern constexpr Family kDeepseekV2 = {.model_type = "deepseek_v2", .describe = describe, .names = {}};

}  // namespace committee::model
