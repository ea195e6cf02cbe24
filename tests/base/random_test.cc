#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <vector>

namespace committee {
namespace {

TEST(Random, SameSeedSameNumbers) {
  Random a(5, 9), b(5, 9);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(a.next(), b.next());
}

TEST(Random, NumbersAreFixedForever) {
  // Traces and audits name their seed: a change here would change every published result.
  Random random(42);
  const std::array<uint64_t, 3> expected = {13722659997186337293u, 7278177053353153621u, 711628940223739359u};
  for (const uint64_t value : expected) EXPECT_EQ(random.next(), value);
}

TEST(Random, SeedsAndStreamsDiffer) {
  std::set<uint64_t> seen;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    for (uint64_t stream = 0; stream < 100; ++stream) seen.insert(Random(seed, stream).next());
  }
  EXPECT_EQ(seen.size(), 10000u);
}

TEST(Random, BelowIsUniform) {
  Random random(1);
  for (const uint64_t n : {1u, 2u, 6u, 10u}) {
    std::vector<int> counts(n);
    constexpr int kDraws = 60000;
    for (int i = 0; i < kDraws; ++i) {
      const uint64_t value = random.below(n);
      ASSERT_LT(value, n);
      ++counts[value];
    }
    double chi2 = 0;
    const double expected = static_cast<double>(kDraws) / static_cast<double>(n);
    for (const int count : counts) chi2 += (count - expected) * (count - expected) / expected;
    EXPECT_LT(chi2, 30) << "9 degrees of freedom at most: chance passes this once in two thousand seeds";
  }
  for (int i = 0; i < 100; ++i) EXPECT_LT(random.below(uint64_t{3} << 62), uint64_t{3} << 62);
}

TEST(Random, UniformStaysInItsInterval) {
  Random random(2);
  double sum = 0;
  for (int i = 0; i < 100000; ++i) {
    const double value = random.uniform();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  EXPECT_NEAR(sum / 100000, 0.5, 0.005);
}

TEST(Random, ShufflesKeepTheItemsAndReachEveryOrder) {
  std::set<std::vector<int>> orders;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::vector<int> items = {1, 2, 3, 4};
    Random(seed).shuffle(std::span(items));
    auto sorted = items;
    std::sort(sorted.begin(), sorted.end());
    ASSERT_EQ(sorted, (std::vector<int>{1, 2, 3, 4}));
    orders.insert(items);
  }
  EXPECT_EQ(orders.size(), 24u);
}

}  // namespace
}  // namespace committee
