#include "tokenizer/readable.h"

#include <gtest/gtest.h>

namespace committee::tokenizer {
namespace {

TEST(Readable, ShowsEveryByteOnOneLine) {
  EXPECT_EQ(readable(" the"), "␣the");
  EXPECT_EQ(readable("\n\t\r"), "↵⇥<0x0D>");
  EXPECT_EQ(readable("é\xE2\x82"), "é<0xE2><0x82>");
  EXPECT_EQ(readable(""), "");
}

}  // namespace
}  // namespace committee::tokenizer
