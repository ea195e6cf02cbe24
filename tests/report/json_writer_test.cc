#include "report/json_writer.h"

#include <gtest/gtest.h>

#include <limits>

namespace committee::report {
namespace {

template <typename T>
std::string written(const T& item) {
  JsonWriter out(0);
  out.value(item);
  return out.text();
}

TEST(JsonWriter, NumbersAreShortestAndReadBack) {
  EXPECT_EQ(written(0.1), "0.1");
  EXPECT_EQ(written(1.0), "1");
  EXPECT_EQ(written(-0.0), "-0.0");
  EXPECT_EQ(written(5e-324), "5e-324");
  EXPECT_EQ(written(9007199254740993.0), "9007199254740992");
  EXPECT_EQ(written(std::numeric_limits<double>::quiet_NaN()), "null");
  EXPECT_EQ(written(-std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(written(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(written(std::optional<double>()), "null");
}

TEST(JsonWriter, TextIsEscaped) {
  EXPECT_EQ(written("a\"b\\\n\x01"), R"("a\"b\\\n\u0001")");
  EXPECT_EQ(written("\xff"), "\"\xEF\xBF\xBD\"");
}

TEST(JsonWriter, OuterMembersHaveLines) {
  JsonWriter out(1);
  out.begin_object();
  out.member("a", std::vector<int>{1, 2});
  out.key("b");
  out.begin_object();
  out.member("c", true);
  out.member("d", "x");
  out.end_object();
  out.member("e", Json{{"f", {1.5, nullptr}}});
  out.end_object();
  EXPECT_EQ(out.text(), "{\n \"a\":[1,2],\n \"b\":{\"c\":true,\"d\":\"x\"},\n \"e\":{\"f\":[1.5,null]}\n}");
}

}  // namespace
}  // namespace committee::report
