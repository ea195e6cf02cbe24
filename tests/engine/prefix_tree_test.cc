#include "engine/prefix_tree.h"

#include <gtest/gtest.h>

#include <set>

#include "base/random.h"

namespace committee::engine {
namespace {

std::vector<int32_t> tokens_of(const PrefixTree& tree, const std::vector<Run>& runs) {
  std::vector<int32_t> tokens;
  for (const Run& run : runs)
    tokens.insert(tokens.end(), tree.tokens().begin() + run.begin,
                  tree.tokens().begin() + run.begin + run.rows);
  return tokens;
}

TEST(PrefixTree, SharesPrefixesAndSplitsWhereSequencesPart) {
  PrefixTree tree;
  tree.add(std::vector<int32_t>{1, 2, 3, 4});
  EXPECT_EQ(tree.missing(std::vector<int32_t>{1, 2, 9}), 1);
  tree.add(std::vector<int32_t>{1, 2, 9});
  tree.add(std::vector<int32_t>{1, 2, 3});  // a prefix of the first: nothing new
  EXPECT_EQ(tree.rows(), 5);
  ASSERT_EQ(tree.segments().size(), 3u);
  EXPECT_EQ(tree.segments()[0].rows, 2);
  EXPECT_EQ(tree.segments()[1].parent, 0);  // 3 4, cut off
  EXPECT_EQ(tree.segments()[1].begin, 2);
  EXPECT_EQ(tree.segments()[1].position, 2);
  EXPECT_EQ(tree.segments()[2].parent, 0);  // 9
}

TEST(PrefixTree, HoldsEveryDistinctPrefixOnceWhateverTheOrder) {
  Random random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::vector<int32_t>> sequences(1 + random.below(12));
    std::set<std::vector<int32_t>> prefixes;
    PrefixTree tree;
    for (auto& sequence : sequences) {
      sequence.resize(1 + random.below(8));
      for (int32_t& token : sequence) token = static_cast<int32_t>(random.below(3));
      for (size_t n = 1; n <= sequence.size(); ++n)
        prefixes.insert({sequence.begin(), sequence.begin() + static_cast<int64_t>(n)});
      const int64_t before = tree.rows(), missing = tree.missing(sequence);
      tree.add(sequence);
      ASSERT_EQ(tree.rows(), before + missing);
    }
    ASSERT_EQ(tree.rows(), static_cast<int64_t>(prefixes.size()));
    for (const auto& sequence : sequences) {
      const auto runs = tree.find(sequence);
      ASSERT_EQ(tokens_of(tree, runs), sequence);
      for (size_t r = 0; r < runs.size(); ++r)
        ASSERT_EQ(tree.segments()[static_cast<size_t>(runs[r].segment)].parent,
                  r == 0 ? -1 : runs[r - 1].segment);
    }
  }
}

}  // namespace
}  // namespace committee::engine
