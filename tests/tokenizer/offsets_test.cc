#include "base/random.h"
#include "tokenizer/helpers.h"

namespace committee::tokenizer {
namespace {

using testing::ElementsAre;
using Offsets = std::vector<uint32_t>;

// Ascending, without gaps, from the first byte to the last.
void expect_cover(const Encoding& encoding, const std::string& text) {
  ASSERT_EQ(encoding.begin.size(), encoding.ids.size());
  ASSERT_EQ(encoding.end.size(), encoding.ids.size());
  uint32_t done = 0;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    ASSERT_EQ(encoding.begin[i], done) << text;
    ASSERT_GE(encoding.end[i], encoding.begin[i]) << text;
    done = encoding.end[i];
  }
  ASSERT_EQ(done, text.size()) << text;
}

class Ranges : public testing::TestWithParam<const char*> {};

TEST_P(Ranges, CoverTheText) {
  const Tokenizer tokenizer = Tokenizer::load(fixture(GetParam()));
  for (const Json& record : read_lines(fixture("encodings.jsonl"))) {
    const auto text = record["text"].get<std::string>();
    expect_cover(tokenizer.encode(text, SpecialTokens::kNone), text);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Ranges, testing::Values("olmoe", "qwen3", "deepseek"),
                         [](const auto& family) { return family.param; });

TEST(Ranges, AreTheBytesOfTheTokensWhereNothingIsNormalised) {
  const Tokenizer tokenizer = Tokenizer::load(fixture("deepseek"));  // has no normaliser
  for (const Json& record : read_lines(fixture("encodings.jsonl"))) {
    const auto text = record["text"].get<std::string>();
    const Encoding encoding = tokenizer.encode(text, SpecialTokens::kNone);
    for (size_t i = 0; i < encoding.ids.size(); ++i) {
      ASSERT_EQ(text.substr(encoding.begin[i], encoding.end[i] - encoding.begin[i]),
                tokenizer.token_text(encoding.ids[i]));
    }
  }
}

TEST(Ranges, ArePlacesInTheTextBeforeNormalisation) {
  const Tokenizer tokenizer = Tokenizer::load(fixture("olmoe"));
  // NFC makes one letter of two bytes of the first three, and the tokenizer has no token for it but its
  // bytes.
  const std::string text = "e\u0301 x";
  const Encoding encoding = tokenizer.encode(text);
  expect_cover(encoding, text);
  EXPECT_EQ(tokenizer.decode(encoding.ids), "\u00e9 x");
  EXPECT_THAT(encoding.begin, ElementsAre(0, 1, 3, 4));
  EXPECT_THAT(encoding.end, ElementsAre(1, 3, 4, 5));

  // Behind a changed stretch every token is exact again.
  const std::string longer = "s\u0307\u0323 and e\u0301 e\u0301 end";
  const Encoding ranges = tokenizer.encode(longer);
  expect_cover(ranges, longer);
  EXPECT_EQ(longer.substr(ranges.begin.back()), tokenizer.token_text(ranges.ids.back()));
}

using AddedText = InFolder;

TEST_F(AddedText, HasNoBytesOfTheOriginal) {
  Json file = small_tokenizer();
  file["pre_tokenizer"]["add_prefix_space"] = true;
  const Encoding prefixed = load(file).encode("ab");
  EXPECT_THAT(prefixed.ids, ElementsAre(5, 6));
  EXPECT_THAT(prefixed.begin, ElementsAre(0, 0));
  EXPECT_THAT(prefixed.end, ElementsAre(0, 2));

  file = small_tokenizer();
  file["normalizer"] = {{"type", "Prepend"}, {"prepend", "cd"}};
  const Encoding prepended = load(file).encode("ab");
  EXPECT_THAT(prepended.ids, ElementsAre(2, 3, 6));
  EXPECT_THAT(prepended.begin, ElementsAre(0, 0, 0));
  EXPECT_THAT(prepended.end, ElementsAre(0, 0, 2));
}

TEST_F(AddedText, SpecialTokensHaveEmptyRanges) {
  Json file = small_tokenizer();
  file["post_processor"] = {{"type", "BertProcessing"}, {"cls", {"<x>", 9}}, {"sep", {"e", 4}}};
  const Encoding encoding = load(file).encode("ab<x>c");
  EXPECT_THAT(encoding.ids, ElementsAre(9, 6, 9, 2, 4));
  EXPECT_THAT(encoding.begin, ElementsAre(0, 0, 2, 5, 6));
  EXPECT_THAT(encoding.end, ElementsAre(0, 2, 5, 6, 6));
}

TEST_F(AddedText, TokensThatStripTakeTheSpaceBesideThem) {
  Json file = small_tokenizer();
  file["added_tokens"][0]["lstrip"] = true;
  file["added_tokens"][0]["rstrip"] = true;
  const Encoding encoding = load(file).encode("a \n<x>  b");
  EXPECT_THAT(encoding.ids, ElementsAre(0, 9, 1));
  EXPECT_THAT(encoding.begin, ElementsAre(0, 1, 8));
  EXPECT_THAT(encoding.end, ElementsAre(1, 8, 9));
}

TEST_F(AddedText, ChainsOfRewritingsLeadBack) {
  Json file = small_tokenizer();
  file["normalizer"] = {{"type", "Sequence"},
                        {"normalizers",
                         {{{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}},
                          {{"type", "Replace"}, {"pattern", {{"String", "x"}}}, {"content", "cc"}},
                          {{"type", "Lowercase"}},
                          {{"type", "Prepend"}, {"prepend", "e"}}}}};
  const Encoding encoding = load(file).encode("  AxB ");
  EXPECT_THAT(encoding.ids, ElementsAre(4, 0, 2, 2, 1));
  EXPECT_THAT(encoding.begin, ElementsAre(2, 2, 3, 4, 4)) << "x is at 3, B at 4";
  EXPECT_THAT(encoding.end, ElementsAre(2, 3, 4, 4, 6)) << "the space at the end goes with B";
}

TEST_F(AddedText, BytesWithoutATokenBelongToTheTokenBefore) {
  const Encoding encoding = load(small_tokenizer()).encode("zazzb");
  EXPECT_THAT(encoding.ids, ElementsAre(6)) << "as the reference has it: what is dropped leaves no gap";
  EXPECT_THAT(encoding.begin, ElementsAre(0));
  EXPECT_THAT(encoding.end, ElementsAre(5));
}

}  // namespace
}  // namespace committee::tokenizer
