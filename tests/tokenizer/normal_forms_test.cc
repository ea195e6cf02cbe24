#include "tokenizer/normal_forms.h"

#include <utf8proc.h>

#include <cstdlib>

#include "base/random.h"
#include "tokenizer/helpers.h"
#include "tokenizer/unicode.h"

namespace committee::tokenizer {
namespace {

std::string normal(NormalForm form, std::string_view text) {
  Rewriter rewriter(text);
  normalise(form, rewriter, text);
  Rewritten result;
  return rewriter.finish(result) ? result.text : std::string(text);
}

TEST(NormalForms, OfKnownTexts) {
  const auto nfc = [](std::string_view text) { return normal(NormalForm::kNfc, text); };
  const auto nfkc = [](std::string_view text) { return normal(NormalForm::kNfkc, text); };
  EXPECT_EQ(nfc("e\u0301"), "\u00e9");
  EXPECT_EQ(nfc("s\u0307\u0323"), "\u1e69") << "marks in canonical order first";
  EXPECT_EQ(nfc("\u1112\u1161\u11ab"), "\ud55c");
  EXPECT_EQ(nfc("\uac00\u11a8"), "\uac01");
  EXPECT_EQ(nfc("\u212b\u2126"), "\u00c5\u03a9");
  EXPECT_EQ(nfc("\u0958"), "\u0915\u093c") << "excluded from composition";
  EXPECT_EQ(nfc("\u0301x"), "\u0301x");
  EXPECT_EQ(nfc(""), "");
  EXPECT_EQ(nfkc("\ufb01\uff76\uff9e\u2460"), "fi\u30ac1") << "a sound mark joins the letter before it";
  EXPECT_EQ(normal(NormalForm::kNfd, "\u1e69\ud55c"), "s\u0323\u0307\u1112\u1161\u11ab");
  EXPECT_EQ(normal(NormalForm::kNfkd, "\u00e9\ufb01"), "e\u0301fi");
  EXPECT_EQ(nfc("\U00011935\U00011930"), "\U00011935\U00011930") << "newer than Unicode 9";
  EXPECT_EQ(nfkc("\u32ff"), "\u32ff") << "newer than Unicode 9";
  EXPECT_EQ(nfc("e\u0898\u0301"), "e\u0898\u0301") << "a mark unknown to Unicode 9 stands between";
}

// A text that needs nothing is not copied: no edits.
TEST(NormalForms, LeaveNormalTextAlone) {
  const std::string text =
      "plain \u00e9\u00e8 \u4e2d\u6587 \ud55c\uad6d\uc5b4 \u3053\u3093\u306b\u3061\u306f \U0001f600";
  Rewriter rewriter(text);
  normalise(NormalForm::kNfc, rewriter, text);
  Rewritten result;
  EXPECT_FALSE(rewriter.finish(result));
}

// Against utf8proc on whole texts, of code points whose normalisation has not changed since Unicode 9.
TEST(NormalForms, AgreeWithUtf8procOnRandomTexts) {
  const std::pair<NormalForm, utf8proc_uint8_t* (*)(const utf8proc_uint8_t*)> forms[] = {
      {NormalForm::kNfc, utf8proc_NFC},
      {NormalForm::kNfd, utf8proc_NFD},
      {NormalForm::kNfkc, utf8proc_NFKC},
      {NormalForm::kNfkd, utf8proc_NFKD},
  };
  const CodePoints& marks = *property("M");
  Random random(11);
  const auto any = [&]() -> char32_t {
    switch (random.below(6)) {
      case 0:
        return static_cast<char32_t>(0x1100 + random.below(0x100));  // jamo
      case 1:
        return static_cast<char32_t>(0xA0 + random.below(0x2300));
      case 2: {
        const auto range = marks.ranges()[random.below(marks.ranges().size())];
        return range.first + static_cast<char32_t>(random.below(range.last - range.first + 1));
      }
      case 3:
        return static_cast<char32_t>(0xF900 + random.below(0x6F0));
      case 4:
        return static_cast<char32_t>(0x1D100 + random.below(0x700));
      default:
        return static_cast<char32_t>('a' + random.below(26));
    }
  };
  for (int round = 0; round < 4000; ++round) {
    std::string text;
    for (uint64_t left = 1 + random.below(12); left > 0;) {
      const char32_t c = any();
      if (inert_in_normal_forms().contains(c)) continue;
      append_utf8(text, c);
      --left;
    }
    for (const auto& [form, reference] : forms) {
      auto* expected = reference(reinterpret_cast<const utf8proc_uint8_t*>(text.c_str()));
      ASSERT_EQ(normal(form, text), reinterpret_cast<const char*>(expected)) << "of " << text;
      std::free(expected);
    }
  }
}

// 200,000 marks in the worst order: quadratic sorting would take minutes.
TEST(NormalForms, SortLongRunsOfMarks) {
  std::string text = "a", expected = "a";
  for (int i = 0; i < 100'000; ++i) text += "\u0301\u0323";
  for (int i = 0; i < 100'000; ++i) expected += "\u0323";
  for (int i = 0; i < 100'000; ++i) expected += "\u0301";
  EXPECT_EQ(normal(NormalForm::kNfd, text), expected);
}

}  // namespace
}  // namespace committee::tokenizer
