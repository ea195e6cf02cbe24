#include "base/nearest.h"

#include <gtest/gtest.h>

namespace committee {
namespace {

TEST(Nearest, CountsEdits) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("data", "dta"), 1U);
}

TEST(Nearest, TakesTheLeastDistanceAndTheFirstOfEquals) {
  EXPECT_EQ(nearest("positons", {"position", "positions", "permutations"}), "positions");
  EXPECT_EQ(nearest("bat", {"cat", "hat"}), "cat");
  EXPECT_EQ(nearest("Mixtral", {"mixtral"}), "mixtral");
}

TEST(Nearest, NothingIsLikeIt) {
  EXPECT_EQ(nearest("frobnicate", {"run", "capture"}), "");
  EXPECT_EQ(nearest("run", {}), "");
  EXPECT_EQ(nearest("ab", {"xy"}), "");
}

}  // namespace
}  // namespace committee
