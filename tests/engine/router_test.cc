#include "engine/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace committee::engine {
namespace {

using testing::ElementsAre;
using testing::FloatNear;

struct Chosen {
  std::vector<uint16_t> ids;
  std::vector<float> weights, probs;
};

Chosen choose(const model::Router& router, const LayerPolicy& policy, std::vector<float> logits,
              std::vector<float> bias = {}) {
  Selector selector(router, policy, std::move(bias));
  Chosen chosen{std::vector<uint16_t>(static_cast<size_t>(policy.top_k)),
                std::vector<float>(static_cast<size_t>(policy.top_k)), std::move(logits)};
  selector.select(chosen.probs.data(), chosen.ids.data(), chosen.weights.data());
  return chosen;
}

// Logits whose softmax are the given shares of 1.
std::vector<float> logs(const std::vector<double>& shares) {
  std::vector<float> result;
  for (const double share : shares) result.push_back(static_cast<float>(std::log(share)));
  return result;
}

auto near(double value) { return FloatNear(static_cast<float>(value), 1e-6f); }

TEST(Router, TakesTheLargestLowerIdsFirstAmongEquals) {
  const model::Router router{.experts = 4, .top_k = 2};
  const Chosen chosen = choose(router, {.top_k = 2}, {0, 1, 1, 1});
  EXPECT_THAT(chosen.ids, ElementsAre(1, 2));
  EXPECT_FLOAT_EQ(chosen.weights[0], chosen.weights[1]);
}

TEST(Router, WeightsAsTheyAreNormalisedAndScaled) {
  model::Router router{.experts = 3, .top_k = 2};
  const std::vector<float> logits = logs({0.2, 0.5, 0.3});
  EXPECT_THAT(choose(router, {.top_k = 2}, logits).weights, ElementsAre(near(0.5), near(0.3)));
  router.normalize_top_k = true;
  EXPECT_THAT(choose(router, {.top_k = 2}, logits).weights, ElementsAre(near(0.625), near(0.375)));
  router.scaling = 2;
  EXPECT_THAT(choose(router, {.top_k = 2}, logits).weights, ElementsAre(near(1.25), near(0.75)));
  EXPECT_THAT(choose(router, {.top_k = 3}, logits).ids, ElementsAre(1, 2, 0));
}

TEST(Router, MaskRenormalisesAndDropLeavesOut) {
  const model::Router router{.experts = 4, .top_k = 2, .normalize_top_k = true};
  const std::vector<float> logits = logs({0.1, 0.4, 0.3, 0.2});
  const Chosen masked = choose(router, {.top_k = 2, .masked = {1}}, logits);
  EXPECT_THAT(masked.ids, ElementsAre(2, 3));
  EXPECT_THAT(masked.probs, ElementsAre(near(1.0 / 6), near(0), near(0.5), near(1.0 / 3)));
  EXPECT_THAT(masked.weights, ElementsAre(near(0.6), near(0.4)));
  const Chosen dropped = choose(router, {.top_k = 2, .masked = {1}, .mask_mode = MaskMode::kDrop}, logits);
  EXPECT_THAT(dropped.ids, ElementsAre(2, 1));
  EXPECT_THAT(dropped.weights, ElementsAre(near(3.0 / 7), near(0)));
  EXPECT_THAT(dropped.probs, ElementsAre(near(0.1), near(0.4), near(0.3), near(0.2)));
}

TEST(Router, AlwaysExecutedExpertsTakeSlotsWithTheirOwnWeights) {
  const model::Router router{.experts = 4, .top_k = 2};
  const Chosen chosen = choose(router, {.top_k = 2, .always = {0}}, logs({0.1, 0.4, 0.3, 0.2}));
  EXPECT_THAT(chosen.ids, ElementsAre(1, 0));
  EXPECT_THAT(chosen.weights, ElementsAre(near(0.4), near(0.1)));
}

TEST(Router, BiasChangesTheSelectionOnly) {
  const model::Router router{.experts = 4, .top_k = 2};
  const Chosen chosen =
      choose(router, {.top_k = 2, .selection_bias = {1, 0, 0, 0}}, logs({0.1, 0.4, 0.3, 0.2}));
  EXPECT_THAT(chosen.ids, ElementsAre(1, 0));
  EXPECT_THAT(chosen.probs, ElementsAre(near(0.1), near(0.4), near(0.3), near(0.2)));
}

TEST(Router, KeepsTheBestGroups) {
  model::Router router{.experts = 6, .top_k = 2, .groups = 3, .top_groups = 1};
  const std::vector<float> logits = logs({0.30, 0.01, 0.28, 0.20, 0.2, 0.01});
  EXPECT_THAT(choose(router, {.top_k = 2}, logits).ids, ElementsAre(0, 1));
  router.group_score = model::GroupScore::kSumOfTwoBest;
  EXPECT_THAT(choose(router, {.top_k = 2}, logits).ids, ElementsAre(2, 3));
}

TEST(Router, SigmoidScoresSelectWithTheCorrectionBiasAndWeighWithout) {
  const model::Router router{.experts = 3,
                             .top_k = 2,
                             .score = model::RouterScore::kSigmoid,
                             .normalize_top_k = true,
                             .correction_bias = true,
                             .scaling = 2};
  const Chosen chosen = choose(router, {.top_k = 2}, {0, std::log(3.0f), -std::log(3.0f)}, {0, -0.5f, 0.5f});
  EXPECT_THAT(chosen.probs, ElementsAre(near(1.0 / 3), near(0.5), near(1.0 / 6)));
  EXPECT_THAT(chosen.ids, ElementsAre(0, 2));  // 0.5 and 0.25 + 0.5 against 0.75 - 0.5
  EXPECT_THAT(chosen.weights, ElementsAre(near(4.0 / 3), near(2.0 / 3)));
}

}  // namespace
}  // namespace committee::engine
