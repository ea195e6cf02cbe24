#include "dataset/helpers.h"

namespace committee::dataset {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::StartsWith;

using Jsonl = InFolder;

TEST_F(Jsonl, ThreeKindsOfRecord) {
  const auto data =
      load_text("d.jsonl",
                "\xEF\xBB\xBF"
                R"({"id":"q","domain":"d","subject":"s","question":" é? ","choices":["x",""],"answer":"B"})"
                "\r\n\n"
                R"({"id":7,"domain":"d","text":"free"})"
                "\n  \t\n"
                R"({"id":"t","domain":"e","tokens":[0,2147483647]})");
  ASSERT_EQ(data.samples.size(), 3u);
  const auto& choice = data.samples[0];
  EXPECT_EQ(choice.subject, "s");
  EXPECT_EQ(choice.text, " é? ");
  EXPECT_THAT(choice.choices, ElementsAre("x", ""));
  EXPECT_EQ(choice.answer, 1);
  EXPECT_TRUE(choice.multiple_choice());
  EXPECT_EQ(choice.line, 1);
  const auto& text = data.samples[1];
  EXPECT_EQ(text.id, "7");
  EXPECT_EQ(text.subject, "d");
  EXPECT_FALSE(text.multiple_choice() || text.tokenised());
  EXPECT_EQ(text.answer, std::nullopt);
  EXPECT_EQ(text.line, 3);
  const auto& tokens = data.samples[2];
  EXPECT_THAT(tokens.tokens, ElementsAre(0, 2147483647));
  EXPECT_EQ(tokens.line, 5);
  EXPECT_THAT(data.domains, ElementsAre("d", "e"));
  EXPECT_EQ(data.where(tokens), (folder_ / "d.jsonl").string() + ":5");
  EXPECT_TRUE(data.warnings.empty());
}

TEST_F(Jsonl, TokensMayCarryAQuestionAndChoicesMayBelongToAText) {
  const auto data =
      load_text("d.jsonl", R"({"domain":"d","tokens":[1],"question":"q","choices":["a","b","c"],"answer":2})"
                           "\n"
                           R"({"domain":"d","text":"whole prompt","choices":["a","b"],"answer":0})");
  EXPECT_TRUE(data.samples[0].tokenised() && data.samples[0].multiple_choice());
  EXPECT_EQ(data.samples[0].answer, 2);
  EXPECT_TRUE(data.samples[1].multiple_choice());
  EXPECT_EQ(data.samples[1].text, "whole prompt");
}

TEST_F(Jsonl, OtherColumnsAreKeptAsText) {
  const auto data = load_text(
      "d.jsonl",
      R"({"domain":"d","text":"t","lang":"de","level":3,"hard":true,"tags":["a",1],"none":null,"answer":"42"})");
  EXPECT_THAT(data.samples[0].columns,
              ElementsAre(Pair("hard", "true"), Pair("lang", "de"), Pair("level", "3"),
                          Pair("tags", "[\"a\",1]"), Pair("answer", "42")));
}

TEST_F(Jsonl, TwentySixChoicesAreTheMost) {
  const auto record = [](int choices, const std::string& answer) {
    std::string list;
    for (int i = 0; i < choices; ++i) list += i ? ",\"c\"" : "\"c\"";
    return R"({"domain":"d","question":"q","choices":[)" + list + R"(],"answer":)" + answer + "}";
  };
  EXPECT_EQ(load_text("d.jsonl", record(26, "\"Z\"")).samples[0].answer, 25);
  EXPECT_EQ(load_text("d.jsonl", record(2, "1")).samples[0].answer, 1);
  EXPECT_EQ(load_text("d.jsonl", record(2, "null")).samples[0].answer, std::nullopt);
  EXPECT_EQ(refusal("d.jsonl", record(27, "0")), "d.jsonl:1: \"choices\" must be 2 to 26, found 27");
  EXPECT_EQ(refusal("d.jsonl", record(1, "0")), "d.jsonl:1: \"choices\" must be 2 to 26, found 1");
  for (const auto& [answer, found] :
       std::vector<std::pair<std::string, std::string>>{{"3", "3"},
                                                        {"-1", "-1"},
                                                        {"\"D\"", "\"D\""},
                                                        {"\"a\"", "\"a\""},
                                                        {"\"0\"", "\"0\""},
                                                        {"\"\"", "\"\""},
                                                        {"1.5", "\"1.5\""},
                                                        {"18446744073709551615", "\"18446744073709551615\""},
                                                        {"[0]", "\"[0]\""}}) {
    EXPECT_EQ(
        refusal("d.jsonl", record(3, answer)),
        "d.jsonl:1: \"answer\" must be an index from 0 to 2 or a letter from \"A\" to \"C\", found " + found);
  }
}

TEST_F(Jsonl, RefusesByFileLineFieldAndRule) {
  const std::string fine = R"({"domain":"d","text":"t"})";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"domain":"d","question":"","choices":["a","b"]})", "\"question\" is empty"},
      {R"({"domain":"d","question":"\u00a0\n","choices":["a","b"]})", "\"question\" is empty"},
      {R"({"domain":"d","text":" "})", "\"text\" is empty"},
      {R"({"domain":"d","question":"q"})", "\"question\" needs \"choices\" (free text is given as \"text\")"},
      {R"({"domain":"d","question":"q","text":"t","choices":["a","b"]})",
       "a record has \"question\" or \"text\", not both"},
      {R"({"domain":"d"})", "a record needs \"question\" with \"choices\", \"text\" or \"tokens\""},
      {R"({"text":"t"})", "a record needs a \"domain\" or a \"subject\""},
      {R"({"text":"t","domain":null})", "a record needs a \"domain\" or a \"subject\""},
      {R"({"text":"t","domain":""})", "\"domain\" is empty"},
      {R"({"text":"t","subject":" "})", "\"subject\" is empty"},
      {R"({"text":"t","domain":"d","id":""})", "\"id\" is empty"},
      {R"({"text":5,"domain":"d"})", "\"text\" must be a string, found number"},
      {R"({"text":"t","domain":["d"]})", "\"domain\" must be a string, found array"},
      {R"({"text":"t","domain":"d","id":1.5})", "\"id\" must be a string, found number"},
      {R"({"domain":"d","question":"q","choices":"ab"})",
       "\"choices\" must be a list of strings, found string"},
      {R"({"domain":"d","question":"q","choices":["a",2]})",
       "\"choices\" must be a list of strings, found number at 1"},
      {R"({"domain":"d","tokens":[]})", "\"tokens\" is empty"},
      {R"({"domain":"d","tokens":7})", "\"tokens\" must be a list of token ids, found number"},
      {R"({"domain":"d","tokens":[1,-1]})", "\"tokens\" must be a list of token ids, found -1 at 1"},
      {R"({"domain":"d","tokens":[2147483648]})",
       "\"tokens\" must be a list of token ids, found 2147483648 at 0"},
      {R"({"domain":"d","tokens":[18446744073709551615]})",
       "\"tokens\" must be a list of token ids, found 18446744073709551615 at 0"},
      {R"({"domain":"d","tokens":["1"]})", "\"tokens\" must be a list of token ids, found \"1\" at 0"},
      {R"(["d"])", "must hold a JSON object, found array"},
      {"{\"domain\":\"d\",\"text\":\"\xC3\x28\"}", "invalid UTF-8 at byte 23 of the line"},
  };
  for (const auto& [record, rule] : cases) {
    EXPECT_EQ(refusal("d.jsonl", fmt::format("{}\n\n{}\n", fine, record)), "d.jsonl:3: " + rule) << record;
  }
  EXPECT_THAT(refusal("d.jsonl", fine + "\n{\"domain\":\"d\",\n"), StartsWith("d.jsonl:2: not valid JSON: "));
  EXPECT_THAT(refusal("d.jsonl", fine + fine), StartsWith("d.jsonl:1: not valid JSON: "));
  EXPECT_THAT(refusal("d.jsonl", std::string(500000, '[')), HasSubstr("d.jsonl:1: "));
}

TEST_F(Jsonl, EmptyFilesAreRefused) {
  EXPECT_EQ(refusal("d.jsonl", ""), "d.jsonl: holds no samples");
  EXPECT_EQ(refusal("d.jsonl", "\n \n"), "d.jsonl: holds no samples");
}

TEST_F(Jsonl, IdsUsedTwiceAreRefusedWithBothPlaces) {
  EXPECT_EQ(refusal("d.jsonl", R"({"id":"a","domain":"d","text":"t"})"
                               "\n"
                               R"({"id":"b","domain":"d","text":"t"})"
                               "\n"
                               R"({"id":"a","domain":"e","text":"u"})"),
            "d.jsonl:3: id \"a\" is used twice, first at d.jsonl:1");
  write("folder/a.jsonl", R"({"id":"x","domain":"d","text":"t"})");
  write("folder/b.csv", "id,domain,text\nx,d,t\n");
  EXPECT_EQ(refusal({.path = folder_ / "folder"}),
            "folder/b.csv:2: id \"x\" is used twice, first at folder/a.jsonl:1");
}

}  // namespace
}  // namespace committee::dataset
