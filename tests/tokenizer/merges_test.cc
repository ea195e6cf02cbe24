#include "tokenizer/merges.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "tokenizer/rank_tree.h"

namespace committee::tokenizer {
namespace {

TEST(RankTree, FindsTheFirstOfTheLowest) {
  Random random(3);
  for (const size_t n : {1u, 2u, 15u, 16u, 17u, 255u, 256u, 257u, 5000u}) {
    std::vector<uint32_t> ranks(n, RankTree::kNever);
    RankTree tree;
    tree.reset(n);
    EXPECT_EQ(tree.lowest().rank, RankTree::kNever);
    for (size_t i = 0; i < n; ++i) {
      if (random.below(2) == 0) ranks[i] = static_cast<uint32_t>(random.below(50));
      tree.prepare(i, ranks[i]);
    }
    tree.build();
    for (int step = 0; step < 300; ++step) {
      const auto lowest = std::min_element(ranks.begin(), ranks.end());
      ASSERT_EQ(tree.lowest().rank, *lowest) << n;
      if (*lowest != RankTree::kNever) {
        ASSERT_EQ(tree.lowest().place, static_cast<size_t>(lowest - ranks.begin())) << n;
      }
      // Often the lowest itself, so that minima rise as well as fall.
      const size_t place = random.below(2) == 0 ? tree.lowest().place : random.below(n);
      ranks[place] = random.below(4) == 0 ? RankTree::kNever : static_cast<uint32_t>(random.below(50));
      tree.set(place, ranks[place]);
    }
  }
}

struct Reference {
  std::map<std::pair<int32_t, int32_t>, Merges::Merge> merges;

  // By the definition: look at all pairs, merge the first of the lowest rank, start again.
  void apply(Symbols& symbols) const {
    for (;;) {
      size_t best = 0;
      uint32_t rank = Merges::kNever;
      for (size_t i = 0; i + 1 < symbols.ids.size(); ++i) {
        const auto merge = merges.find({symbols.ids[i], symbols.ids[i + 1]});
        if (merge != merges.end() && merge->second.rank < rank) {
          best = i;
          rank = merge->second.rank;
        }
      }
      if (rank == Merges::kNever) return;
      const auto at = static_cast<ptrdiff_t>(best);
      symbols.ids[best] = merges.at({symbols.ids[best], symbols.ids[best + 1]}).result;
      symbols.ids.erase(symbols.ids.begin() + at + 1);
      symbols.begins.erase(symbols.begins.begin() + at + 1);
    }
  }
};

// Rules over an alphabet of four, in an order that need not be that of training.
TEST(Merges, AgreeWithTheDefinition) {
  Random random(5);
  Merges::Scratch scratch;
  for (int round = 0; round < 60; ++round) {
    const size_t count = 1 + random.below(60);
    Reference reference;
    Merges merges(count);
    std::vector<uint32_t> ranks(count);
    for (size_t i = 0; i < count; ++i) ranks[i] = static_cast<uint32_t>(i);
    random.shuffle(std::span(ranks));
    for (size_t i = 0; i < count; ++i) {
      const auto known = static_cast<int32_t>(4 + i);
      const auto left = static_cast<int32_t>(random.below(static_cast<uint64_t>(known)));
      const auto right = static_cast<int32_t>(random.below(static_cast<uint64_t>(known)));
      const Merges::Merge merge{ranks[i], known};
      merges.add(left, right, merge);
      reference.merges[{left, right}] = merge;
    }
    for (const size_t length : {0u, 1u, 2u, 7u, 40u, 600u}) {
      Symbols symbols, expected;
      for (size_t i = 0; i < length; ++i) symbols.add(static_cast<int32_t>(random.below(4)), i);
      expected = symbols;
      merges.apply(symbols, scratch);
      reference.apply(expected);
      ASSERT_EQ(symbols.ids, expected.ids) << round << " " << length;
      ASSERT_EQ(symbols.begins, expected.begins) << round << " " << length;
    }
  }
}

TEST(Merges, FindKnowsPairsThatDoNotMerge) {
  Merges merges(2);
  merges.add(1, 2, {0, 10});
  merges.add(2, 1, {1, 11});
  merges.add(1, 2, {2, 12});
  EXPECT_EQ(merges.find(1, 2).rank, 2u) << "the later of two rules for one pair";
  EXPECT_EQ(merges.find(2, 1).result, 11);
  EXPECT_EQ(merges.find(1, 1).rank, Merges::kNever);
  EXPECT_EQ(Merges().find(1, 2).rank, Merges::kNever);
}

}  // namespace
}  // namespace committee::tokenizer
