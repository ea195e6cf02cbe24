#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tokenizer/code_points.h"

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;

namespace committee::tokenizer {

// What one thread needs to match; any number of Regexes share it.
class RegexScratch {
 public:
  RegexScratch();

 private:
  friend class Regex;
  struct Free {
    void operator()(pcre2_real_match_data_8* data) const;
  };
  std::unique_ptr<pcre2_real_match_data_8, Free> data_;
};

// A pattern as tokenizer.json writes it, in the syntax of Oniguruma, run by PCRE2. Sets (\s, \p{L}, [..]) are
// written out as ranges of code points, because the two engines know different versions of Unicode. Throws
// Error, beginning with `where`, for malformed patterns and, by name, for syntax that is not supported.
class Regex {
 public:
  struct Span {
    size_t begin, end;
  };

  static Regex pattern(std::string_view pattern, std::string_view where);
  // Matches `text` itself.
  static Regex literal(std::string_view text, std::string_view where);
  // A pattern of our own, in PCRE2's syntax.
  static Regex pcre2(const std::string& pattern);
  // Matches one code point of the set.
  static Regex one_of(const CodePoints& set);

  // The first match that begins at or after `from`. `text` is well-formed UTF-8.
  std::optional<Span> find(std::string_view text, size_t from, RegexScratch& scratch) const;

  // Cuts `text` into matches and what lies between, in order: part(begin, end, is_match). An empty match is
  // taken except right behind the match before it.
  template <typename Part>
  void for_each_part(std::string_view text, RegexScratch& scratch, Part&& part) const {
    size_t done = 0, from = 0;
    bool after_match = false;
    while (from <= text.size()) {
      const auto match = find(text, from, scratch);
      if (!match) break;
      if (match->begin == match->end && after_match && match->end == done) {
        if (from == text.size()) break;
        next_code_point(text, from);
        continue;
      }
      if (done != match->begin) part(done, match->begin, false);
      part(match->begin, match->end, true);
      done = from = match->end;
      after_match = true;
    }
    if (done != text.size()) part(done, text.size(), false);
  }

 private:
  struct Free {
    void operator()(pcre2_real_code_8* code) const;
  };

  static Regex compile(std::string_view pcre2, uint32_t options, std::string_view where,
                       std::string_view shown);

  std::unique_ptr<pcre2_real_code_8, Free> code_;
};

// The pattern in PCRE2's syntax.
std::string pcre2_pattern(std::string_view oniguruma, std::string_view where);
// A set as a class of PCRE2; `negated` gives [^...].
std::string pcre2_class(const CodePoints& set, bool negated);

}  // namespace committee::tokenizer
