#include "cli/parse.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace committee::cli {
namespace {

TEST(ParseSize, TakesUnits) {
  EXPECT_EQ(parse_size("0"), 0u);
  EXPECT_EQ(parse_size("65536"), 65536u);
  EXPECT_EQ(parse_size("4G"), uint64_t{4} << 30);
  EXPECT_EQ(parse_size("800M"), uint64_t{800} << 20);
  EXPECT_EQ(parse_size("2KiB"), 2048u);
  EXPECT_EQ(parse_size("1TB"), uint64_t{1} << 40);
}

TEST(ParseSize, RefusesTheRest) {
  for (const char* text : {"", "G", "-1", "4 G", "4Gi", "4X", "99999999999T", "1e9", "4GG"}) {
    EXPECT_THROW(parse_size(text), Error) << text;
  }
}

TEST(ParseExpertSets, TakesLayersAndIds) {
  const std::map<int, std::vector<int>> sets = {{10, {3, 17}}, {26, {5}}};
  EXPECT_EQ(parse_expert_sets("10:17,3,3;26:5"), sets);
  EXPECT_EQ(parse_expert_sets("10:3;26:5;10:17"), sets);
}

TEST(ParseExpertSets, RefusesTheRest) {
  for (const char* text :
       {"", "10", "10:", "10:3,", "10:3;", ":3", "10:-3", "-1:3", "10:3 ", "10:3;26", "99999999999:1"}) {
    EXPECT_THROW(parse_expert_sets(text), Error) << text;
  }
}

TEST(HumanBytes, RoundsForPeople) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1900), "1.9 kB");
  EXPECT_EQ(human_bytes(13'842'000'000), "14 GB");
  EXPECT_EQ(human_bytes(999'600), "1.0 MB");
}

}  // namespace
}  // namespace committee::cli
