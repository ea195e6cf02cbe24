#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "model/config.h"

namespace committee::engine {

enum class MaskMode {
  kRenormalize,  // router logits become -inf before the scores: the rest is renormalised, k experts still run
  kDrop          // selected as ever, then left out: their weights are 0
};

// How tokens are routed where that differs from the model's own way (METHOD 7 and 8). Layers are the
// checkpoint's own ids.
struct RoutingPolicy {
  std::optional<int> top_k = {};                // experts executed a token, in every MoE layer
  std::map<int, std::vector<int>> masked = {};  // layer: expert ids
  MaskMode mask_mode = MaskMode::kRenormalize;
  std::map<int, std::vector<int>> always =
      {};  // layer: experts executed for every token, the other slots by rank
  std::map<int, std::vector<float>> selection_bias =
      {};                             // layer: [experts] added to the scores for selection only
  std::set<int> without_routed = {};  // layers whose routed experts do not run (selected as ever, weights 0)
  std::set<int> without_shared = {};  // layers whose shared experts do not run

  bool operator==(const RoutingPolicy&) const = default;
};

// The same for one layer.
struct LayerPolicy {
  int top_k = 0;
  std::vector<int> masked = {};  // ascending, each once; so is `always`
  MaskMode mask_mode = MaskMode::kRenormalize;
  std::vector<int> always = {};
  std::vector<float> selection_bias = {};  // [experts] or empty
  bool runs_routed = true, runs_shared = true;

  bool operator==(const LayerPolicy&) const = default;
};

// Throws Error for a layer that has no routed experts, an unknown expert id, a bias of another length or not
// finite, a budget outside 1..experts (or more than the groups that are kept can hold), an expert both masked
// and always executed, more `always` experts than the budget, a mask that leaves fewer experts than the
// budget, be it in the groups that are kept, or a layer without shared experts that should run without them.
void validate(const RoutingPolicy& policy, const model::ModelConfig& config);

// The policy at one layer; needs a valid policy.
LayerPolicy at_layer(const RoutingPolicy& policy, const model::ModelConfig& config, int layer);

}  // namespace committee::engine
