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
  read_sigmoid_router(in, 1, 1, 1, out);
}

}  // namespace

extern constexpr Family kGlm4Moe = {.model_type = "glm4_moe", .describe = describe, .names = {}};

}  // namespace committee::model
