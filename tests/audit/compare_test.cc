// Audits against each other, by hand-made results.

#include "audit/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace committee::audit {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// One layer of `experts` experts; contributions fall with the id.
AuditResult made(int experts, std::vector<int> committee, std::vector<int> core) {
  AuditResult result;
  result.model = {
      .name = "made", .model_type = "olmoe", .fingerprint = "f", .moe_layers = {3}, .experts = experts};
  LayerResult layer;
  layer.layer = 3;
  layer.committee = std::move(committee);
  layer.core = std::move(core);
  layer.experts.resize(static_cast<size_t>(experts));
  for (int i = 0; i < experts; ++i) layer.experts[static_cast<size_t>(i)].contribution.value = 1.0 / (2 + i);
  result.layers.push_back(std::move(layer));
  return result;
}

// Every bootstrap set is the observed one, but for what `inclusion` says of single experts.
void bootstrap(AuditResult& result, const std::vector<std::pair<int, double>>& inclusion = {}) {
  auto& layer = result.layers[0];
  for (auto& expert : layer.experts) {
    expert.inclusion = expert.core_inclusion = 0;
    const double c = *expert.contribution.value;
    expert.contribution.bootstrap = Interval{c - 0.001, c + 0.001};
  }
  for (const int id : layer.committee) layer.experts[static_cast<size_t>(id)].inclusion = 1;
  for (const int id : layer.core) layer.experts[static_cast<size_t>(id)].core_inclusion = 1;
  for (const auto& [id, share] : inclusion) layer.experts[static_cast<size_t>(id)].inclusion = share;
  layer.agreement = 0.9;
}

TEST(Compare, IdenticalAuditsDoNotDiffer) {
  auto audit = made(8, {1, 2}, {1, 2, 3});
  bootstrap(audit);
  const auto pair = compare_pair(audit, audit);
  const auto& layer = pair.layers.at(0);
  EXPECT_EQ(layer.layer, 3);
  EXPECT_EQ(layer.committee.jaccard, 1);
  EXPECT_EQ(layer.core.jaccard, 1);
  EXPECT_TRUE(layer.committee.experts.empty());
  EXPECT_TRUE(layer.core.experts.empty());
  EXPECT_EQ(layer.committee.change, Change::kNone);
  EXPECT_EQ(layer.committee.agreement, 0.9);
  EXPECT_EQ(layer.core.agreement, 1);  // every bootstrap core is the same
  EXPECT_NEAR(*layer.spearman, 1, 1e-12);
  EXPECT_EQ(layer.apart, 0);
  EXPECT_TRUE(setting_differences(audit, audit).empty());
}

TEST(Compare, APlantedChangeIsBeyondNoise) {
  auto before = made(8, {1, 2}, {1, 2}), after = made(8, {1, 5}, {1, 2, 5});
  bootstrap(before);
  bootstrap(after);
  after.layers[0].experts[5].contribution.bootstrap = Interval{0.9, 0.95};
  const auto pair = compare_pair(before, after);
  const auto& committee = pair.layers[0].committee;
  EXPECT_DOUBLE_EQ(*committee.jaccard, 1.0 / 3);
  ASSERT_EQ(committee.experts.size(), 2u);
  EXPECT_EQ(committee.experts[0].expert, 2);
  EXPECT_FALSE(committee.experts[0].joined);
  EXPECT_EQ(committee.experts[0].inclusion_reference, 1);
  EXPECT_EQ(committee.experts[0].inclusion_audit, 0);
  EXPECT_EQ(committee.experts[1].expert, 5);
  EXPECT_TRUE(committee.experts[1].joined);
  EXPECT_EQ(committee.change, Change::kBeyondNoise);
  EXPECT_DOUBLE_EQ(*pair.layers[0].core.jaccard, 2.0 / 3);
  ASSERT_EQ(pair.layers[0].core.experts.size(), 1u);
  EXPECT_TRUE(pair.layers[0].core.experts[0].joined);
  EXPECT_EQ(pair.layers[0].apart, 1);
  EXPECT_EQ(pair.layers_with(&LayerComparison::committee, Change::kBeyondNoise), 1);
}

TEST(Compare, AMemberThatTheBootstrapDoubtsIsNoise) {
  auto before = made(8, {1, 2}, {1, 2}), after = made(8, {1}, {1, 2});
  bootstrap(before, {{2, 0.6}});
  bootstrap(after, {{2, 0.4}});
  const auto pair = compare_pair(before, after);
  EXPECT_EQ(pair.layers[0].committee.change, Change::kWithinNoise);
  EXPECT_EQ(pair.layers[0].core.change, Change::kNone);
}

TEST(Compare, AJaccardHasTheIntervalOfTheReplicates) {
  auto before = made(8, {1, 2}, {1, 2}), after = made(8, {1}, {1, 2});
  before.layers[0].bootstrap_committees = {{{1, 2}}, std::vector<int>(100, 0)};
  after.layers[0].bootstrap_committees = {{{1}, {1, 2}}, std::vector<int>(100, 0)};
  std::fill_n(after.layers[0].bootstrap_committees.of.begin(), 30, 1);
  auto pair = compare_pair(before, after);
  ASSERT_TRUE(pair.layers[0].committee.interval);
  EXPECT_EQ(pair.layers[0].committee.interval->low, 0.5);
  EXPECT_EQ(pair.layers[0].committee.interval->high, 1);
  EXPECT_EQ(pair.committee_interval->low, 0.5);
  EXPECT_FALSE(pair.core_interval);  // no bootstrap

  // A second layer that is always the same: the mean lies between.
  for (auto* audit : {&before, &after}) {
    audit->layers.push_back(audit->layers[0]);
    audit->layers[1].layer = 4;
    audit->layers[1].bootstrap_committees = {{{1, 2}}, std::vector<int>(100, 0)};
  }
  pair = compare_pair(before, after);
  EXPECT_EQ(pair.committee_interval->low, 0.75);
  EXPECT_EQ(pair.committee_interval->high, 1);
}

TEST(Compare, TheRuleIsTheIntervalOfTheDifference) {
  EXPECT_TRUE(beyond_noise(1, 0));
  EXPECT_TRUE(beyond_noise(1, 0.025));
  EXPECT_FALSE(beyond_noise(1, 0.03));
  EXPECT_FALSE(beyond_noise(0.97, 0));
  EXPECT_FALSE(beyond_noise(0.985, 0.015));
  EXPECT_TRUE(beyond_noise(0.99, 0.01));
}

TEST(Compare, WithoutABootstrapNothingIsDecided) {
  auto before = made(8, {1}, {1}), after = made(8, {2}, {2});
  bootstrap(before);
  const auto pair = compare_pair(before, after);
  const auto& layer = pair.layers[0];
  EXPECT_EQ(layer.committee.jaccard, 0);
  EXPECT_EQ(layer.committee.change, Change::kUndecided);
  EXPECT_EQ(layer.committee.experts[0].inclusion_reference, 1);
  EXPECT_FALSE(layer.committee.experts[0].inclusion_audit);
  EXPECT_FALSE(layer.committee.agreement);
  EXPECT_FALSE(layer.core.agreement);
  EXPECT_FALSE(layer.apart);
}

TEST(Compare, EmptySetsHaveNoJaccard) {
  const auto none = made(8, {}, {});
  const auto pair = compare_pair(none, none);
  EXPECT_FALSE(pair.layers[0].committee.jaccard);
  EXPECT_FALSE(pair.committee_jaccard);
  EXPECT_EQ(pair.layers[0].committee.change, Change::kNone);
  EXPECT_EQ(jaccard_of({}, {1}), 0);
}

TEST(Compare, OtherShapesHaveNoCounterparts) {
  const auto a = made(8, {1}, {1}), b = made(16, {1}, {1});
  auto c = a, d = a;
  c.layers[0].layer = 4;
  d.model.model_type = "mixtral";
  EXPECT_THAT(shape_obstacle(a, b), HasSubstr("8 and 16 experts"));
  EXPECT_THAT(shape_obstacle(a, c), HasSubstr("layer ids"));
  EXPECT_THAT(shape_obstacle(a, d), HasSubstr("olmoe and mixtral"));
  EXPECT_THROW(compare_pair(a, b), Error);
  const auto pairs = compare({&a, &b, &a});
  ASSERT_EQ(pairs.size(), 1u);
  EXPECT_EQ(pairs[0].reference, 0);
  EXPECT_EQ(pairs[0].audit, 2);
}

TEST(Compare, SettingsThatDifferAreNamed) {
  auto a = made(8, {1}, {1}), b = a;
  b.k = 4;
  b.positions = "content";
  EXPECT_THAT(setting_differences(a, b), ElementsAre("positions: none, content", "k: 0, 4"));
}

TEST(Compare, SpearmanByHand) {
  EXPECT_NEAR(*spearman_of({1, 2, 3, 4}, {10, 20, 30, 25}), 0.8, 1e-12);  // 1 - 6·2/(4·15)
  EXPECT_NEAR(*spearman_of({1, 2, 3}, {3, 2, 1}), -1, 1e-12);
  EXPECT_NEAR(*spearman_of({1, 1, 2}, {1, 2, 3}), 0.8660254037844387, 1e-12);  // ties at 1.5
  EXPECT_FALSE(spearman_of({1, 1}, {1, 2}));
}

}  // namespace
}  // namespace committee::audit
