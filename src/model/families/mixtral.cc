#include "model/families/family.h"

namespace committee::model {

namespace {

void describe(const ConfigReader& in, ModelConfig& out) {
  read_decoder(in, 1e-5, out);
  read_heads(in, out);
  read_rope(in, 1e6, 1, out.attention.qk_dim, out);
  refuse_sliding_window(in, out);

  out.router.experts = in.size({"num_local_experts", "num_experts"});
  out.router.top_k = in.size("num_experts_per_tok");
  out.router.normalize_top_k = true;
  out.expert_width = in.size("intermediate_size");
  moe_from(0, out);
}

}  // namespace

extern constexpr Family kMixtral = {.model_type = "mixtral",
                                    .describe = describe,
                                    .names = {.block = {"block_sparse_moe", "mlp"},
                                              .gate = {"w1", "gate_proj"},
                                              .up = {"w3", "up_proj"},
                                              .down = {"w2", "down_proj"}}};

}  // namespace committee::model
