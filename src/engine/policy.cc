#include "engine/policy.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace committee::engine {
namespace {

std::vector<int> sorted_ids(std::vector<int> ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

void check_layer(int layer, const model::ModelConfig& config) {
  if (!config.is_moe(layer)) throw Error("layer {} has no routed experts to choose from", layer);
}

std::vector<int> checked_ids(int layer, const std::vector<int>& ids, const model::ModelConfig& config) {
  check_layer(layer, config);
  for (const int id : ids) {
    if (id < 0 || id >= config.router.experts)
      throw Error("layer {} has no expert {}: its ids are 0 to {}", layer, id, config.router.experts - 1);
  }
  return sorted_ids(ids);
}

// The fewest experts that a token can choose from: with groups, those of the kept groups that have least
// left.
int fewest_left(const std::vector<int>& masked, const model::Router& router) {
  std::vector<int> left(static_cast<size_t>(router.groups), router.experts / router.groups);
  for (const int id : masked) --left[static_cast<size_t>(id / (router.experts / router.groups))];
  std::sort(left.begin(), left.end());
  int sum = 0;
  for (int g = 0; g < router.top_groups; ++g) sum += left[static_cast<size_t>(g)];
  return sum;
}

}  // namespace

void validate(const RoutingPolicy& policy, const model::ModelConfig& config) {
  const model::Router& router = config.router;
  const int budget = policy.top_k.value_or(router.top_k);
  const int most = fewest_left({}, router);
  if (budget < 1 || budget > most)
    throw Error("{} experts a token cannot be executed: the router chooses from {}", budget, most);
  for (const auto& [layer, ids] : policy.masked) {
    const std::vector<int> masked = checked_ids(layer, ids, config);
    const int left = fewest_left(masked, router);
    if (policy.mask_mode == MaskMode::kRenormalize && left < budget)
      throw Error("the mask of layer {} leaves {} experts{}, fewer than the {} executed a token", layer, left,
                  router.groups > 1 ? " in the groups that are kept" : "", budget);
  }
  for (const auto& [layer, ids] : policy.always) {
    const std::vector<int> always = checked_ids(layer, ids, config);
    if (static_cast<int>(always.size()) > budget)
      throw Error("layer {}: {} experts are always executed, more than the {} of a token", layer,
                  always.size(), budget);
    const auto masked = policy.masked.find(layer);
    if (masked == policy.masked.end()) continue;
    for (const int id : masked->second) {
      if (std::binary_search(always.begin(), always.end(), id))
        throw Error("layer {}: expert {} is both masked and always executed", layer, id);
    }
  }
  for (const auto& [layer, bias] : policy.selection_bias) {
    check_layer(layer, config);
    if (static_cast<int>(bias.size()) != router.experts)
      throw Error("layer {}: {} selection biases for {} experts", layer, bias.size(), router.experts);
    if (!std::all_of(bias.begin(), bias.end(), [](float b) { return std::isfinite(b); }))
      throw Error("layer {}: a selection bias is not finite", layer);
  }
  for (const int layer : policy.without_routed) check_layer(layer, config);
  for (const int layer : policy.without_shared) {
    check_layer(layer, config);
    if (config.shared_experts == 0)
      throw Error("layer {} has no shared experts that could be left out", layer);
  }
}

LayerPolicy at_layer(const RoutingPolicy& policy, const model::ModelConfig& config, int layer) {
  LayerPolicy result;
  result.top_k = policy.top_k.value_or(config.router.top_k);
  if (const auto found = policy.masked.find(layer); found != policy.masked.end() && !found->second.empty()) {
    result.masked = sorted_ids(found->second);
    result.mask_mode = policy.mask_mode;
  }
  if (const auto found = policy.always.find(layer); found != policy.always.end())
    result.always = sorted_ids(found->second);
  if (const auto found = policy.selection_bias.find(layer); found != policy.selection_bias.end())
    result.selection_bias = found->second;
  result.runs_routed = !policy.without_routed.contains(layer);
  result.runs_shared = !policy.without_shared.contains(layer);
  return result;
}

}  // namespace committee::engine
