#include "tokenizer/regex.h"

#include "tokenizer/helpers.h"

namespace committee::tokenizer {
namespace {

using testing::HasSubstr;

// The parts of `text`, matches in brackets.
std::string parts(const Regex& regex, std::string_view text) {
  RegexScratch scratch;
  std::string found;
  regex.for_each_part(text, scratch, [&](size_t begin, size_t end, bool is_match) {
    const std::string part(text.substr(begin, end - begin));
    found += is_match ? "[" + part + "]" : part + "|";
  });
  return found;
}

std::string parts(std::string_view pattern, std::string_view text) {
  return parts(Regex::pattern(pattern, "here"), text);
}

TEST(Regex, CutsTextIntoMatchesAndTheRest) {
  EXPECT_EQ(parts("b+", "abbcb"), "a|[bb]c|[b]");
  EXPECT_EQ(parts("x", "abc"), "abc|");
  EXPECT_EQ(parts("x", ""), "");
  EXPECT_EQ(parts(Regex::literal("a.b(", "here"), "xa.b(a-b("), "x|[a.b(]a-b(|");
}

TEST(Regex, TakesEmptyMatchesBetweenOthers) {
  EXPECT_EQ(parts("", "a\u00e9"), "[]a|[]\u00e9|[]");
  EXPECT_EQ(parts("b*", "abb"), "[]a|[bb]") << "but not right behind another";
  EXPECT_EQ(parts("", ""), "[]");
}

// What the patterns of tokenizers mean in Oniguruma where PCRE2 has it otherwise.
TEST(Regex, ReadsOniguruma) {
  EXPECT_EQ(parts(R"(\s+)", "a\u180e\u0085\u3000b"), "a\u180e|[\u0085\u3000]b|");
  EXPECT_EQ(parts(R"(\p{L}+)", "a\U00031350\U000105c0-"), "[a\U00031350\U000105c0]-|")
      << "letters of Unicode 16";
  EXPECT_EQ(parts(R"([^\p{L}]+)", "a\U00031350-1"), "a\U00031350|[-1]");
  EXPECT_EQ(parts(R"(\p{N}{2}+)", "12345"), "[1234]5|") << "not possessive: twice, repeated";
  EXPECT_EQ(parts(R"(a{2}?b)", "aab"), "[aab]") << "not lazy: twice or not at all";
  EXPECT_EQ(parts(R"(a{2}?b)", "cb"), "c|[b]");
  EXPECT_EQ(parts(R"(a{,2})", "aaa"), "[aa][a]");
  EXPECT_EQ(parts(R"(a{x})", "a{x}"), "[a{x}]");
  EXPECT_EQ(parts(R"((a|bc)**d)", "abcd"), "[abcd]");
  EXPECT_EQ(parts(R"(\h+)", "xyz9aF"), "xyz|[9aF]");
  EXPECT_EQ(parts(R"(\v)", "\n\v"), "\n|[\v]");
  EXPECT_EQ(parts(R"(^a$)", "a\nb\na"), "[a]\nb\n|[a]") << "ends of lines";
  EXPECT_EQ(parts(R"(a.)", "a\nab"), "a\n|[ab]");
  EXPECT_EQ(parts(R"((?m:a.))", "a\nab"), "[a\n][ab]");
  EXPECT_EQ(parts(R"((?i:'s))", "'S'\u017f's"), "['S]['\u017f]['s]");
  EXPECT_EQ(parts(R"((?i)ab|C)", "ABc"), "[AB][c]");
  EXPECT_EQ(parts(R"(\bno\b)", "no nono no\u0301 no"), "[no] nono no\u0301 |[no]");
  EXPECT_EQ(parts(R"(\w+)", "\u00b2a_\u0301-"), "[\u00b2a_\u0301]-|");
  EXPECT_EQ(parts(R"([\w]+)", "\u00b2a_\u0301-"), "\u00b2|[a_\u0301]-|");
}

TEST(Regex, ReadsClasses) {
  EXPECT_EQ(parts(R"([a\-z]+)", "a-mz"), "[a-]m|[z]");
  EXPECT_EQ(parts(R"([a-]+)", "a-b"), "[a-]b|");
  EXPECT_EQ(parts(R"([]a]+)", "]ab"), "[]a]b|");
  EXPECT_EQ(parts(R"([\s\S])", "a"), "[a]");
  EXPECT_EQ(parts(R"([^\s\S])", "a"), "a|");
  EXPECT_EQ(parts(R"([a-z&&[^aeiou]]+)", "abcde"), "a|[bcd]e|");
  EXPECT_EQ(parts(R"([^a-z&&[^aeiou]]+)", "abcde"), "[a]bcd|[e]");
  EXPECT_EQ(parts(R"([[:space:][:^digit:]]+)", "1 a2"), "1|[ a]2|");
  EXPECT_EQ(parts(R"([\P{L}]+)", "a12b"), "a|[12]b|");
  EXPECT_EQ(parts(R"([\p{^L}]+)", "a12b"), "a|[12]b|");
  EXPECT_EQ(parts(R"([\x41\x{42}\u0043\t]+)", "ABC\tD"), "[ABC\t]D|");
  EXPECT_EQ(parts("[\u4e00-\u9fa5\u3040-\u309f]+", "\u4e2d\u3042x"), "[\u4e2d\u3042]x|");
  EXPECT_EQ(parts(R"(\p{uppercase_letter}\p{Han})", "A\u4e2d"), "[A\u4e2d]");
}

std::string refusal(std::string_view pattern) {
  try {
    Regex::pattern(pattern, "f: p");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Regex, RefusesByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"(\X)", "\\X is not supported"},
      {R"((a)\1)", "\\1 is not supported"},
      {R"(\p{Klingon})", "\\p{Klingon} is not supported"},
      {R"(\pL)", "\\p must be followed by {"},
      {R"(\p{L)", "\\p{ is not closed"},
      {R"((?<n>a))", "(?< is not supported"},
      {R"(a(?i)b)", "(?i) is not supported"},
      {R"((*UCP)a)", "(* is not supported"},
      {R"([[:alpha:]])", "[:alpha:] is not supported"},
      {"(a", "a group is not closed"},
      {"a)", "a ) closes nothing"},
      {"[a", "a class is not closed"},
      {"[a-", "a class is not closed"},
      {R"([z-a])", "a range of a class has no end"},
      {R"([a-\d])", "a range of a class has no end"},
      {"*a", "a repetition of nothing"},
      {"a\\", "it ends in the middle of an item"},
      {R"(\x{110000})", "an escape that is no code point"},
      {R"(\x{d800})", "an escape that is no code point"},
      {R"((?<=a*)b)", "cannot be compiled: lookbehind assertion is not fixed length"},
  };
  for (const auto& [pattern, why] : cases) {
    EXPECT_THAT(refusal(pattern), HasSubstr(why));
    EXPECT_THAT(refusal(pattern), HasSubstr(std::string("f: p: the regular expression \"") + pattern + "\""));
  }
  EXPECT_THAT(refusal(std::string(10'000, '(')), HasSubstr("groups are nested too deeply"));
  EXPECT_THAT(refusal(std::string(10'000, '[')), HasSubstr("classes are nested too deeply"));
}

// A pattern that tries every way to cut the text ends in an error, not in hours.
TEST(Regex, BacktrackingIsBounded) {
  const Regex regex = Regex::pattern(R"((?:a|aa)+[cd])", "p");
  RegexScratch scratch;
  EXPECT_THROW(regex.find(std::string(200, 'a'), 0, scratch), Error);
  EXPECT_EQ(regex.find(std::string(200, 'a') + "c", 0, scratch)->end, 201u);
}

}  // namespace
}  // namespace committee::tokenizer
