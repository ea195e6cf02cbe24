#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace committee {
namespace {

// UTF-8 of a code point by the definition, surrogates and too large ones too.
std::string encode(uint32_t c) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xC0 | (c >> 6)), tail(0)};
  if (c < 0x10000) return {static_cast<char>(0xE0 | (c >> 12)), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | (c >> 18)), tail(12), tail(6), tail(0)};
}

// A slow second opinion: decodes by bit patterns, then wants the shortest form of a scalar value.
bool well_formed(const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const auto lead = static_cast<uint8_t>(text[at]);
    const size_t length = lead < 0x80       ? 1
                          : lead >> 5 == 6  ? 2
                          : lead >> 4 == 14 ? 3
                          : lead >> 3 == 30 ? 4
                                            : 0;
    if (length == 0 || at + length > text.size()) return false;
    uint32_t c = length == 1 ? lead : lead & (0x7F >> length);
    for (size_t i = 1; i < length; ++i) {
      const auto byte = static_cast<uint8_t>(text[at + i]);
      if (byte >> 6 != 2) return false;
      c = c << 6 | (byte & 0x3F);
    }
    if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) || encode(c).size() != length) return false;
    at += length;
  }
  return true;
}

TEST(Utf8, EveryScalarValueIsWellFormedAndNoSurrogateIs) {
  for (uint32_t c = 0; c < 0x110000; ++c) {
    const bool surrogate = c >= 0xD800 && c < 0xE000;
    ASSERT_EQ(find_invalid_utf8(encode(c)).has_value(), surrogate) << std::hex << c;
  }
  EXPECT_EQ(find_invalid_utf8(encode(0x110000)), 0u);
}

TEST(Utf8, EveryShortSequenceAgreesWithTheDefinition) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const std::string two = {static_cast<char>(a), static_cast<char>(b)};
      ASSERT_EQ(!find_invalid_utf8(two).has_value(), well_formed(two)) << a << " " << b;
      for (const int c : {0x00, 0x7F, 0x80, 0xA0, 0xBF, 0xC2, 0xFF}) {
        for (const int d : {0x41, 0x80, 0xBF, 0xC0}) {
          const std::string four = two + static_cast<char>(c) + static_cast<char>(d);
          ASSERT_EQ(!find_invalid_utf8(four).has_value(), well_formed(four))
              << a << " " << b << " " << c << " " << d;
        }
      }
    }
  }
}

TEST(Utf8, NamesTheFirstBadByteAnywhereInALongText) {
  for (size_t at = 0; at < 40; ++at) {
    std::string text(40, 'x');
    text[at] = '\xC3';
    EXPECT_EQ(find_invalid_utf8(text), at);
  }
  EXPECT_EQ(find_invalid_utf8("0123456é\xE2\x82"), 9u);
  EXPECT_EQ(find_invalid_utf8(""), std::nullopt);
}

}  // namespace
}  // namespace committee
