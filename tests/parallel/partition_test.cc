#include "parallel/partition.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/random.h"

namespace committee::parallel {
namespace {

using Costs = std::vector<int64_t>;
using Bounds = std::vector<size_t>;

int64_t cost(const Costs& costs, size_t begin, size_t end) {
  return std::accumulate(costs.begin() + static_cast<int64_t>(begin),
                         costs.begin() + static_cast<int64_t>(end), int64_t{0});
}

int64_t costliest(const Costs& costs, const Bounds& bounds) {
  int64_t most = 0;
  for (size_t i = 0; i + 1 < bounds.size(); ++i) most = std::max(most, cost(costs, bounds[i], bounds[i + 1]));
  return most;
}

// The least that the costliest run can cost, over all ways to cut.
int64_t best(const Costs& costs, size_t begin, int parts) {
  if (parts == 1) return cost(costs, begin, costs.size());
  int64_t least = cost(costs, begin, costs.size());
  for (size_t end = begin; end <= costs.size(); ++end) {
    least = std::min(least, std::max(cost(costs, begin, end), best(costs, end, parts - 1)));
  }
  return least;
}

TEST(Partition, KeepsOrderAndBalances) {
  EXPECT_EQ(partition(Costs{1, 1, 1, 1}, 2), (Bounds{0, 2, 4}));
  EXPECT_EQ(partition(Costs{5, 1, 1, 1}, 2), (Bounds{0, 1, 4}));
  EXPECT_EQ(partition(Costs{1, 2, 3}, 1), (Bounds{0, 3}));
}

TEST(Partition, NoRunIsEmptyWhileThereAreItems) {
  EXPECT_EQ(partition(Costs{4, 1, 1, 1}, 4), (Bounds{0, 1, 2, 3, 4}));
  EXPECT_EQ(partition(Costs{0, 0, 0}, 3), (Bounds{0, 1, 2, 3}));
  EXPECT_EQ(partition(Costs{7, 7}, 4), (Bounds{0, 1, 2, 2, 2}));
  EXPECT_EQ(partition(Costs{}, 2), (Bounds{0, 0, 0}));
}

TEST(Partition, IsAsGoodAsAnyOther) {
  Random random(11);
  for (int round = 0; round < 200; ++round) {
    Costs costs(static_cast<size_t>(1 + random.below(9)));
    for (auto& value : costs) value = static_cast<int64_t>(random.below(20));
    const int parts = 1 + static_cast<int>(random.below(4));
    const Bounds bounds = partition(costs, parts);
    ASSERT_EQ(bounds.size(), static_cast<size_t>(parts) + 1);
    ASSERT_EQ(bounds.front(), 0u);
    ASSERT_EQ(bounds.back(), costs.size());
    ASSERT_TRUE(std::is_sorted(bounds.begin(), bounds.end()));
    EXPECT_EQ(costliest(costs, bounds), best(costs, 0, parts));
    if (costs.size() >= static_cast<size_t>(parts)) {
      EXPECT_EQ(std::adjacent_find(bounds.begin(), bounds.end()), bounds.end());
    }
  }
}

}  // namespace
}  // namespace committee::parallel
