#include "trace/shard_plan.h"

#include <gtest/gtest.h>

#include <tuple>

namespace committee::trace {
namespace {

using Ranges = std::vector<std::tuple<int64_t, int64_t, int64_t>>;  // first sample, samples, rows

Ranges plan(std::vector<int32_t> rows, int64_t most_rows, int64_t most_samples = 100) {
  Ranges ranges;
  for (const auto& range : plan_shards(rows, 10, {.bytes = most_rows * 10 + 9, .samples = most_samples})) {
    ranges.emplace_back(range.first_sample, range.samples, range.rows);
  }
  return ranges;
}

TEST(ShardPlan, WholeSamplesUntilFull) {
  EXPECT_EQ(plan({3, 3, 3, 3, 3}, 6), (Ranges{{0, 2, 6}, {2, 2, 6}, {4, 1, 3}}));
  EXPECT_EQ(plan({3, 3, 3, 3, 3}, 8), (Ranges{{0, 2, 6}, {2, 2, 6}, {4, 1, 3}}));
  EXPECT_EQ(plan({1, 1, 1, 1, 1}, 100, 2), (Ranges{{0, 2, 2}, {2, 2, 2}, {4, 1, 1}}));
}

TEST(ShardPlan, ALongSampleHasItsOwnShard) {
  EXPECT_EQ(plan({1, 50, 1, 2}, 6), (Ranges{{0, 1, 1}, {1, 1, 50}, {2, 2, 3}}));
  EXPECT_EQ(plan({0, 50, 0, 1}, 6), (Ranges{{0, 2, 50}, {2, 2, 1}}));
}

TEST(ShardPlan, SamplesWithoutRows) {
  EXPECT_EQ(plan({0, 0, 0}, 6), (Ranges{{0, 3, 0}}));
  EXPECT_EQ(plan({}, 6), Ranges{});
}

TEST(ShardPlan, AShardHasAtLeastOneRow) { EXPECT_EQ(plan({1, 1}, 0), (Ranges{{0, 1, 1}, {1, 1, 1}})); }

}  // namespace
}  // namespace committee::trace
