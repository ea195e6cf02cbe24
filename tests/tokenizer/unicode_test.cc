#include "tokenizer/unicode.h"

#include "tokenizer/helpers.h"

namespace committee::tokenizer {
namespace {

TEST(Unicode, CategoriesAreThoseOfUnicode16) {
  const std::pair<const char*, size_t> sizes[] = {
      {"Lu", 1858},      {"Ll", 2258},      {"Lt", 31},        {"Lm", 404},     {"Lo", 136477},
      {"L", 141028},     {"M", 2501},       {"Mn", 2020},      {"Nd", 760},     {"N", 1911},
      {"P", 855},        {"S", 8514},       {"Z", 19},         {"Cn", 819533},  {"Han", 99030},
      {"Hiragana", 381}, {"Katakana", 321}, {"Hangul", 11739}, {"Latin", 1487}, {"Any", 0x110000 - 0x800},
  };
  for (const auto& [name, size] : sizes) {
    ASSERT_NE(property(name), nullptr) << name;
    EXPECT_EQ(property(name)->size(), size) << name;
  }
  EXPECT_EQ(word().size(), 144665u);
  EXPECT_EQ(word_outside_class().size(), 144671u);
  EXPECT_EQ(white_space().size(), 25u);
  EXPECT_EQ(property("Decimal Number"), property("decimal_number"));
  EXPECT_EQ(property("Klingon"), nullptr);
}

TEST(Unicode, TablesOfOtherVersions) {
  EXPECT_TRUE(numeric().contains(0x16FF4)) << "Unicode 17";
  EXPECT_FALSE(property("N")->contains(0x16FF4));
  EXPECT_FALSE(punctuation().contains(0x2E52)) << "newer than Unicode 9";
  EXPECT_TRUE(property("P")->contains(0x2E52));
  EXPECT_TRUE(punctuation().contains('$') && punctuation().contains('_')) << "all of ASCII's";
  EXPECT_EQ(lowercase(U'\u00c9'), U'\u00e9');
  EXPECT_EQ(lowercase(0x1C89), 0x1C8Au) << "Unicode 16";
  EXPECT_EQ(lowercase(U'\u00df'), U'\u00df');
}

TEST(CodePoints, AreSets) {
  const CodePoints set = {{'d', 'f'}, {'a', 'b'}, {'c', 'c'}, {0xD000, 0xE001}};
  EXPECT_THAT(std::vector(set.ranges().begin(), set.ranges().end()),
              testing::ElementsAre(CodePoints::Range{'a', 'f'}, CodePoints::Range{0xD000, 0xD7FF},
                                   CodePoints::Range{0xE000, 0xE001}));
  EXPECT_TRUE(set.contains('f') && !set.contains('g') && !set.contains(0xDABC) && set.contains(0xE001));
  const CodePoints rest = set.complement();
  EXPECT_EQ(rest.size(), 0x110000u - 0x800 - set.size());
  EXPECT_TRUE(rest.intersection(set).empty());
  EXPECT_TRUE(rest.contains(kMaxCodePoint) && rest.contains(0));
  EXPECT_TRUE(CodePoints().complement().complement().empty());
  EXPECT_EQ(set.intersection({{'c', 'z'}}).size(), 4u);
}

}  // namespace
}  // namespace committee::tokenizer
