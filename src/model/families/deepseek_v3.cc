#include "model/families/deepseek.h"

namespace committee::model {

namespace {

void describe(const ConfigReader& in, ModelConfig& out) {
  read_decoder(in, 1e-6, out);
  read_latent_attention(in, out);
  if (!in.flag("rope_interleave", true)) out.attention.rope.pairing = RopePairing::kHalves;
  read_deepseek_experts(in, out);
  read_sigmoid_router(in, 2.5, 8, 4, out);
}

}  // namespace

extern constexpr Family kDeepseekV3 = {.model_type = "deepseek_v3", .describe = describe, .names = {}};

}  // namespace committee::model
