#pragma once

#include "model/families/family.h"

namespace committee::model {

// Multi-head latent attention with YaRN's softmax scale, as DeepSeek-V2 and V3 have it.
void read_latent_attention(const ConfigReader& in, ModelConfig& out);

// n_routed_experts, num_experts_per_tok, routed_scaling_factor, widths, shared experts,
// first_k_dense_replace.
void read_deepseek_experts(const ConfigReader& in, ModelConfig& out);

// DeepSeek-V3's router: sigmoid scores, a correction bias for the selection, groups by the sum of their two
// best. The defaults are of routed_scaling_factor, n_group and topk_group.
void read_sigmoid_router(const ConfigReader& in, double scaling, int groups, int top_groups,
                         ModelConfig& out);

}  // namespace committee::model
