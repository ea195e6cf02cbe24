#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace committee {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

template <typename Call>
std::string refusal(Call call) {
  try {
    call();
  } catch (const Error& problem) {
    return problem.what();
  }
  return "accepted";
}

TEST(Json, ParsesAndNamesTheFileWhereItCannot) {
  EXPECT_EQ(parse_json(R"({"a": [1, 2.5, "é"]})", "f")["a"].size(), 3u);
  for (const char* text : {"", "{", "{\"a\":}", "[1,]", "nul", "\"\xFF\"", "\"\\ud800\"", "1 2", "[1e999]"}) {
    EXPECT_THAT(refusal([&] { parse_json(text, "f.json"); }),
                testing::ContainsRegex("^f.json: not valid JSON: (parse error|number overflow)"))
        << text;
  }
}

TEST(Json, ASentenceIsShortWhateverTheText) {
  for (size_t before = 0; before < 4; ++before) {
    std::string text(before, 'x');
    for (int i = 0; i < 1000; ++i) text += "é";
    const std::string sentence = refusal([&] { parse_json("\"" + text, "f.json"); });
    EXPECT_LT(sentence.size(), 250u);
    EXPECT_THAT(sentence, testing::EndsWith("é…"));
  }
}

TEST(Json, DeepNestingIsRefusedWithoutRecursion) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_NO_THROW(parse_json(nested(100), "f"));
  EXPECT_EQ(refusal([&] { parse_json(nested(200), "f"); }), "f: JSON nested deeper than 100 levels");
  EXPECT_EQ(refusal([&] { parse_json(nested(2'000'000), "f"); }), "f: JSON nested deeper than 100 levels");
  std::string objects;
  for (int i = 0; i < 200; ++i) objects += "{\"a\":";
  EXPECT_EQ(refusal([&] { parse_json(objects + "1" + std::string(200, '}'), "f"); }),
            "f: JSON nested deeper than 100 levels");
}

TEST(Json, FieldsOfTheRightType) {
  const Json object = parse_json(R"({"i": -7, "d": 0.5, "b": true, "s": "x", "n": null})", "f");
  EXPECT_EQ(required_field<int>(object, "i", "f"), -7);
  EXPECT_EQ(required_field<int64_t>(object, "i", "f"), -7);
  EXPECT_EQ(required_field<double>(object, "i", "f"), -7.0);
  EXPECT_EQ(required_field<double>(object, "d", "f"), 0.5);
  EXPECT_EQ(required_field<bool>(object, "b", "f"), true);
  EXPECT_EQ(required_field<std::string>(object, "s", "f"), "x");
  EXPECT_EQ(optional_field<int>(object, "n", "f"), std::nullopt);
  EXPECT_EQ(optional_field<std::string>(object, "absent", "f"), std::nullopt);
}

TEST(Json, FieldsOfAnotherTypeNameFileAndKey) {
  const Json object = parse_json(
      R"({"i": 1, "d": 1.0, "b": true, "s": "x", "big": 3000000000, "huge": 18446744073709551615, "n": null})",
      "f");
  EXPECT_EQ(refusal([&] { optional_field<int>(object, "d", "f"); }),
            "f: \"d\" must be an integer, found number");
  EXPECT_EQ(refusal([&] { optional_field<int>(object, "b", "f"); }),
            "f: \"b\" must be an integer, found boolean");
  EXPECT_EQ(refusal([&] { optional_field<int>(object, "big", "f"); }),
            "f: \"big\" is out of range: 3000000000");
  EXPECT_EQ(refusal([&] { optional_field<int64_t>(object, "huge", "f"); }), "f: \"huge\" is out of range");
  EXPECT_EQ(refusal([&] { optional_field<double>(object, "s", "f"); }),
            "f: \"s\" must be a number, found string");
  EXPECT_EQ(refusal([&] { optional_field<bool>(object, "i", "f"); }),
            "f: \"i\" must be true or false, found number");
  EXPECT_EQ(refusal([&] { optional_field<std::string>(object, "i", "f"); }),
            "f: \"i\" must be a string, found number");
  EXPECT_EQ(refusal([&] { required_field<int>(object, "n", "f"); }), "f: \"n\" is missing");
  EXPECT_EQ(refusal([&] { required_field<int>(object, "x", "f"); }), "f: \"x\" is missing");
  EXPECT_EQ(refusal([&] { optional_field<int>(Json::array(), "x", "f"); }),
            "f: must hold a JSON object, found array");
}

TEST(Json, ReadsAFile) {
  const std::string path = testing::TempDir() + "json_test.json";
  std::ofstream(path) << "\xEF\xBB\xBF{\"a\": 1}\n";
  EXPECT_EQ(read_json(path)["a"], 1);
  std::ofstream(path) << "{";
  EXPECT_THAT(refusal([&] { read_json(path); }), StartsWith(path + ": not valid JSON"));
  EXPECT_THAT(refusal([&] { read_json(path + ".absent"); }), HasSubstr("cannot open"));
}

}  // namespace
}  // namespace committee
