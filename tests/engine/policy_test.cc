#include "engine/policy.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"

namespace committee::engine {
namespace {

model::ModelConfig grouped() {
  model::ModelConfig config;
  config.layers = 3;
  config.moe_layers = {1, 2};
  config.router.experts = 8;
  config.router.top_k = 3;
  config.router.groups = 4;
  config.router.top_groups = 2;
  return config;
}

std::string refusal(const RoutingPolicy& policy, const model::ModelConfig& config) {
  try {
    validate(policy, config);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Policy, RefusesWhatCannotBeRouted) {
  const model::ModelConfig config = grouped();
  EXPECT_EQ(refusal({}, config), "");
  EXPECT_EQ(refusal({.masked = {{0, {1}}}}, config), "layer 0 has no routed experts to choose from");
  EXPECT_EQ(refusal({.masked = {{1, {8}}}}, config), "layer 1 has no expert 8: its ids are 0 to 7");
  EXPECT_EQ(refusal({.masked = {{1, {-1}}}}, config), "layer 1 has no expert -1: its ids are 0 to 7");
  EXPECT_EQ(refusal({.top_k = 5}, config), "5 experts a token cannot be executed: the router chooses from 4");
  EXPECT_EQ(refusal({.top_k = 0}, config), "0 experts a token cannot be executed: the router chooses from 4");
  EXPECT_EQ(refusal({.always = {{2, {0, 1, 2, 3}}}}, config),
            "layer 2: 4 experts are always executed, more than the 3 of a token");
  EXPECT_EQ(refusal({.masked = {{1, {2}}}, .always = {{1, {2}}}}, config),
            "layer 1: expert 2 is both masked and always executed");
  EXPECT_EQ(refusal({.selection_bias = {{1, {0.5f}}}}, config), "layer 1: 1 selection biases for 8 experts");
  EXPECT_EQ(refusal({.without_routed = {0}}, config), "layer 0 has no routed experts to choose from");
  EXPECT_EQ(refusal({.without_shared = {1}}, config), "layer 1 has no shared experts that could be left out");
  std::vector<float> bias(8, 0.0f);
  bias[3] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(refusal({.selection_bias = {{1, bias}}}, config), "layer 1: a selection bias is not finite");
}

TEST(Policy, CountsWhatAMaskLeavesInTheWorstGroups) {
  const model::ModelConfig config = grouped();
  EXPECT_EQ(refusal({.masked = {{1, {0}}}}, config), "");  // 1 + 2 left
  EXPECT_EQ(
      refusal({.masked = {{1, {0, 2}}}}, config),
      "the mask of layer 1 leaves 2 experts in the groups that are kept, fewer than the 3 executed a token");
  EXPECT_EQ(refusal({.masked = {{1, {0, 2, 2}}}, .mask_mode = MaskMode::kDrop}, config), "");
  model::ModelConfig plain = config;
  plain.router.groups = plain.router.top_groups = 1;
  EXPECT_EQ(refusal({.masked = {{1, {0, 1, 2, 3, 4}}}}, plain), "");
  EXPECT_EQ(refusal({.masked = {{1, {0, 1, 2, 3, 4, 5}}}}, plain),
            "the mask of layer 1 leaves 2 experts, fewer than the 3 executed a token");
}

TEST(Policy, AtALayerIsTheSameForTheSameRouting) {
  const model::ModelConfig config = grouped();
  EXPECT_EQ(at_layer({.masked = {{1, {3, 1, 3}}}}, config, 1),
            at_layer({.top_k = 3, .masked = {{1, {1, 3}}}}, config, 1));
  EXPECT_EQ(at_layer({.masked = {{1, {3}}}}, config, 2), at_layer({.mask_mode = MaskMode::kDrop}, config, 2));
  EXPECT_NE(at_layer({.masked = {{1, {3}}}}, config, 1),
            at_layer({.masked = {{1, {3}}}, .mask_mode = MaskMode::kDrop}, config, 1));
}

}  // namespace
}  // namespace committee::engine
