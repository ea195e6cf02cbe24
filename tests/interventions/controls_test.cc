#include "interventions/controls.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace committee::interventions {
namespace {

using Sets = std::vector<std::vector<int>>;

// Every set of `size` non-members with its distance, the slow way: all pairings of it with the members.
std::map<std::vector<int>, double> distances(const std::vector<double>& frequency, std::vector<int> members) {
  std::map<std::vector<int>, double> result;
  const int experts = static_cast<int>(frequency.size());
  for (int bits = 0; bits < 1 << experts; ++bits) {
    std::vector<int> set;
    bool other = false;
    for (int e = 0; e < experts; ++e) {
      if ((bits >> e & 1) == 0) continue;
      set.push_back(e);
      other = other || std::find(members.begin(), members.end(), e) != members.end();
    }
    if (other || set.size() != members.size()) continue;
    double least = 1e9;
    std::sort(members.begin(), members.end());
    do {
      double sum = 0;
      for (size_t i = 0; i < set.size(); ++i)
        sum += std::abs(frequency[static_cast<size_t>(members[i])] - frequency[static_cast<size_t>(set[i])]);
      least = std::min(least, sum);
    } while (std::next_permutation(members.begin(), members.end()));
    result[set] = least;
  }
  return result;
}

TEST(MatchedSets, AreTheClosestOfAll) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed);
    std::vector<double> frequency(9);
    for (double& f : frequency) f = static_cast<double>(random.below(seed % 2 == 0 ? 1000 : 4)) / 8;
    const std::vector<int> members = {1, 4, 7};
    const auto all = distances(frequency, members);
    std::vector<double> sorted;
    for (const auto& [set, distance] : all) sorted.push_back(distance);
    std::sort(sorted.begin(), sorted.end());
    for (const int count : {1, 7, 20, 100}) {
      const Sets sets = matched_sets(frequency, members, count, {});
      ASSERT_EQ(sets.size(), std::min<size_t>(static_cast<size_t>(count), all.size()));
      EXPECT_EQ(std::set(sets.begin(), sets.end()).size(), sets.size());
      for (size_t i = 0; i < sets.size(); ++i) ASSERT_NEAR(all.at(sets[i]), sorted[i], 1e-9);
    }
  }
}

TEST(MatchedSets, PassOverWhatIsNotAllowed) {
  const std::vector<double> frequency = {0.5, 0.4, 0.6, 0.1, 0.2, 0.3};
  const auto not_two = [](const std::vector<int>& set) { return set[0] != 2; };
  EXPECT_EQ(matched_sets(frequency, {0}, 2, {}), (Sets{{1}, {2}}));
  EXPECT_EQ(matched_sets(frequency, {0}, 3, not_two), (Sets{{1}, {5}, {4}}));
  EXPECT_EQ(matched_sets(frequency, {0}, 9, not_two).size(), 4u);
  EXPECT_TRUE(matched_sets(frequency, {}, 3, {}).empty());
  EXPECT_TRUE(matched_sets(frequency, {0, 1, 2, 3}, 3, {}).empty());
}

TEST(RandomSets, AreDistinctNonMembersOfTheSeed) {
  for (const int experts : {12, 200}) {
    const std::vector<int> members = {3, 5, 6};
    Random one(7), again(7), other(8);
    const Sets sets = random_sets(experts, members, 40, one, {});
    ASSERT_EQ(sets.size(), 40u);
    EXPECT_EQ(std::set(sets.begin(), sets.end()).size(), 40u);
    for (const auto& set : sets) {
      ASSERT_EQ(set.size(), 3u);
      EXPECT_TRUE(std::is_sorted(set.begin(), set.end()));
      for (const int e : set) {
        EXPECT_TRUE(e >= 0 && e < experts);
        EXPECT_EQ(std::count(members.begin(), members.end(), e), 0);
      }
    }
    EXPECT_EQ(sets, random_sets(experts, members, 40, again, {}));
    EXPECT_NE(sets, random_sets(experts, members, 40, other, {}));
  }
}

TEST(RandomSets, AreAllThereAreWhereAskedForMore) {
  Random random(1);
  EXPECT_EQ(random_sets(6, {0, 1}, 100, random, {}).size(), 6u);
  const auto with_five = [](const std::vector<int>& set) { return set.back() == 5; };
  EXPECT_EQ(random_sets(6, {0, 1}, 100, random, with_five).size(), 3u);
  EXPECT_TRUE(random_sets(3, {0, 1}, 5, random, {}).empty());
}

// Each of the 10 pairs of five non-members is drawn equally often, up to five standard deviations.
TEST(RandomSets, AreDrawnUniformly) {
  std::map<std::vector<int>, int> drawn;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    Random random(seed);
    for (const auto& set : random_sets(6, {2, 2}, 1, random, {})) ++drawn[set];
  }
  ASSERT_EQ(drawn.size(), 10u);
  for (const auto& [set, count] : drawn) EXPECT_NEAR(count, 200, 5 * std::sqrt(200 * 0.9));
}

}  // namespace
}  // namespace committee::interventions
