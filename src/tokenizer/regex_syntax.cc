// Oniguruma's syntax (as of ONIG_SYNTAX_ONIGURUMA) to PCRE2's: what patterns of tokenizers are made of, the
// rest is refused by name.
#include <algorithm>
#include <vector>

#include "base/error.h"
#include "tokenizer/regex.h"
#include "tokenizer/unicode.h"

namespace committee::tokenizer {
namespace {

constexpr int kMaxNesting = 100;

struct Class {
  CodePoints set;
  bool negated = false;

  CodePoints resolved() const { return negated ? set.complement() : set; }
};

// What a backslash or a plain character in a class stands for.
struct Item {
  std::optional<Class> set;
  char32_t character = 0;
};

enum class Where { kInClass, kOutside };

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Translator {
 public:
  Translator(std::string_view pattern, std::string_view where) : in_(pattern), where_(where) {}

  std::string run() {
    while (at_ < in_.size()) element();
    if (!groups_.empty()) fail("a group is not closed");
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(std::string_view why) const {
    throw Error("{}: the regular expression \"{}\": {}", where_, in_, why);
  }

  bool next_is(std::string_view text) const { return in_.substr(at_).starts_with(text); }

  char take() {
    if (at_ == in_.size()) fail("it ends in the middle of an item");
    return in_[at_++];
  }

  void begin_atom() {
    atom_ = out_.size();
    quantified_ = false;
  }

  void element() {
    switch (in_[at_]) {
      case '\\':
        ++at_;
        return escape();
      case '[':
        ++at_;
        begin_atom();
        return emit(parse_class(0));
      case '(':
        ++at_;
        return open_group();
      case ')':
        return close_group();
      case '|':
        ++at_;
        out_ += '|';
        atom_.reset();
        return;
      case '*':
      case '+':
      case '?':
        return quantifier();
      case '{':
        return interval();
      case '^':
      case '$':
      case '.':
        begin_atom();
        out_ += in_[at_++];
        return;
      default:
        begin_atom();
        emit_character(next_code_point(in_, at_));
    }
  }

  void emit(const Class& set) { out_ += pcre2_class(set.set, set.negated); }

  void emit_character(char32_t c) {
    const bool word_like = c >= 0x80 || is_letter(static_cast<char>(c)) || is_digit(static_cast<char>(c));
    if (!word_like && c > 0x20 && c < 0x7F) out_ += '\\';
    append_utf8(out_, c);
  }

  void escape() {
    begin_atom();
    if (next_is("A") || next_is("z") || next_is("Z")) {
      out_ += '\\';
      out_ += take();
      return;
    }
    if (next_is("b") || next_is("B")) return word_boundary(take() == 'b');
    const Item item = escaped(Where::kOutside);
    item.set ? emit(*item.set) : emit_character(item.character);
  }

  void word_boundary(bool wanted) {
    const std::string word = pcre2_class(word_outside_class(), false);
    const char *same = wanted ? "!" : "=", *other = wanted ? "=" : "!";
    out_ += "(?:(?<=" + word + ")(?" + same + word + ")|(?<!" + word + ")(?" + other + word + "))";
  }

  // Behind a backslash.
  Item escaped(Where where) {
    const auto set = [](const CodePoints& points, bool negated) { return Item{Class{points, negated}, 0}; };
    const char c = take();
    switch (c) {
      case 's':
      case 'S':
        return set(white_space(), c == 'S');
      case 'd':
      case 'D':
        return set(*property("Nd"), c == 'D');
      case 'w':
      case 'W':
        return set(where == Where::kInClass ? word() : word_outside_class(), c == 'W');
      case 'h':
      case 'H':
        return set({{'0', '9'}, {'A', 'F'}, {'a', 'f'}}, c == 'H');
      case 'p':
      case 'P':
        return named_property(c == 'P');
      case 'n':
        return {{}, '\n'};
      case 'r':
        return {{}, '\r'};
      case 't':
        return {{}, '\t'};
      case 'f':
        return {{}, '\f'};
      case 'v':
        return {{}, '\v'};
      case 'a':
        return {{}, '\a'};
      case 'e':
        return {{}, 0x1B};
      case 'x':
        return {{}, next_is("{") ? braced_hexadecimal() : hexadecimal(2)};
      case 'u':
        return {{}, hexadecimal(4)};
      case 'b':
        if (where == Where::kInClass) return {{}, '\b'};
        [[fallthrough]];
      default:
        if (is_letter(c) || is_digit(c)) fail(fmt::format("\\{} is not supported", c));
        --at_;
        return {{}, next_code_point(in_, at_)};
    }
  }

  Item named_property(bool negated) {
    if (!next_is("{")) fail("\\p must be followed by {");
    ++at_;
    if (next_is("^")) {
      ++at_;
      negated = !negated;
    }
    const size_t close = in_.find('}', at_);
    if (close == std::string_view::npos) fail("\\p{ is not closed");
    const std::string_view name = in_.substr(at_, close - at_);
    const CodePoints* set = property(name);
    if (set == nullptr) fail(fmt::format("\\p{{{}}} is not supported", name));
    at_ = close + 1;
    return {Class{*set, negated}, 0};
  }

  char32_t hexadecimal(int most) {
    char32_t value = 0;
    int digits = 0;
    for (; digits < most && at_ < in_.size(); ++digits, ++at_) {
      const char c = static_cast<char>(in_[at_] | 0x20);
      if (!is_digit(in_[at_]) && (c < 'a' || c > 'f')) break;
      value = value * 16 + static_cast<char32_t>(is_digit(in_[at_]) ? in_[at_] - '0' : c - 'a' + 10);
    }
    if (digits == 0 || value > kMaxCodePoint || (value >= 0xD800 && value < 0xE000)) {
      fail("an escape that is no code point");
    }
    return value;
  }

  char32_t braced_hexadecimal() {
    ++at_;
    const char32_t value = hexadecimal(6);
    if (take() != '}') fail("\\x{ is not closed");
    return value;
  }

  // ---- groups and repetition

  void open_group() {
    if (groups_.size() == kMaxNesting) fail("groups are nested too deeply");
    groups_.push_back(out_.size());
    atom_.reset();
    if (!next_is("?")) {
      if (next_is("*")) fail("(* is not supported");
      out_ += "(?:";
      return;
    }
    for (const std::string_view kind : {"?:", "?=", "?!", "?>", "?<=", "?<!"}) {
      if (!next_is(kind)) continue;
      at_ += kind.size();
      out_ += '(';
      out_ += kind;
      return;
    }
    ++at_;
    options();
  }

  // (?i: (?-i: (?m: and the like; (?i) where it begins the pattern. Oniguruma's m lets the dot match line
  // ends: PCRE2's s.
  void options() {
    const size_t begin = at_;
    std::string letters;
    while (at_ < in_.size() && (in_[at_] == 'i' || in_[at_] == 'm' || in_[at_] == '-')) {
      letters += in_[at_] == 'm' ? 's' : in_[at_];
      ++at_;
    }
    const bool whole = next_is(")") && begin == 2;
    if (letters.empty() || (!next_is(":") && !whole)) {
      fail(fmt::format("(?{} is not supported", in_.substr(begin, at_ - begin + 1)));
    }
    ++at_;
    out_ += "(?" + letters + (whole ? ")" : ":");
    if (whole) groups_.pop_back();
  }

  void close_group() {
    if (groups_.empty()) fail("a ) closes nothing");
    ++at_;
    out_ += ')';
    atom_ = groups_.back();
    quantified_ = false;
    groups_.pop_back();
  }

  void begin_quantifier() {
    if (!atom_) fail("a repetition of nothing");
    // a{2}+ and a** repeat the repetition; in PCRE2 they would be possessive or an error.
    if (quantified_) {
      out_.insert(*atom_, "(?:");
      out_ += ')';
    }
    quantified_ = true;
  }

  void quantifier() {
    begin_quantifier();
    out_ += in_[at_++];
    if (next_is("?") || next_is("+")) out_ += in_[at_++];
  }

  void interval() {
    size_t i = at_ + 1;
    const auto number = [&] {
      const size_t begin = i;
      while (i < in_.size() && is_digit(in_[i]) && i - begin < 5) ++i;
      return std::string(in_.substr(begin, i - begin));
    };
    std::string least = number(), most;
    const bool comma = i < in_.size() && in_[i] == ',';
    if (comma) {
      ++i;
      most = number();
    }
    if (i == in_.size() || in_[i] != '}' || (least.empty() && most.empty())) {
      begin_atom();
      out_ += "\\{";
      ++at_;
      return;
    }
    begin_quantifier();
    at_ = i + 1;
    out_ += "{" + (least.empty() ? "0" : least) + (comma ? "," : "") + most + "}";
    if (comma && next_is("?")) out_ += in_[at_++];
  }

  // ---- classes

  // Behind the opening bracket.
  Class parse_class(int depth) {
    if (depth == kMaxNesting) fail("classes are nested too deeply");
    Class result;
    result.negated = next_is("^");
    if (result.negated) ++at_;
    std::optional<CodePoints> left;
    for (bool first = true; first || !next_is("]"); first = false) {
      if (at_ == in_.size()) fail("a class is not closed");
      if (next_is("&&")) {
        at_ += 2;
        left = left ? left->intersection(result.set) : result.set;
        result.set = {};
      } else if (next_is("[:")) {
        result.set.add(posix_class());
      } else if (next_is("[")) {
        ++at_;
        result.set.add(parse_class(depth + 1).resolved());
      } else {
        class_item(result.set);
      }
    }
    ++at_;
    if (left) result.set = left->intersection(result.set);
    return result;
  }

  Item class_character() {
    if (next_is("\\")) {
      ++at_;
      return escaped(Where::kInClass);
    }
    if (at_ == in_.size()) fail("a class is not closed");
    return {{}, next_code_point(in_, at_)};
  }

  void class_item(CodePoints& set) {
    const Item item = class_character();
    if (item.set) return set.add(item.set->resolved());
    char32_t last = item.character;
    if (next_is("-") && !in_.substr(at_).starts_with("-]")) {
      ++at_;
      const Item end = class_character();
      if (end.set || end.character < item.character) fail("a range of a class has no end");
      last = end.character;
    }
    set.add({item.character, last});
  }

  CodePoints posix_class() {
    const size_t close = in_.find(":]", at_ + 2);
    std::string_view name = close == std::string_view::npos ? "" : in_.substr(at_ + 2, close - at_ - 2);
    const bool negated = name.starts_with("^");
    if (negated) name.remove_prefix(1);
    const CodePoints* set = name == "space"   ? &white_space()
                            : name == "digit" ? property("Nd")
                            : name == "word"  ? &word()
                                              : nullptr;
    if (set == nullptr) fail(fmt::format("[:{}:] is not supported", name));
    at_ = close + 2;
    return negated ? set->complement() : *set;
  }

  std::string_view in_, where_;
  size_t at_ = 0;
  std::string out_;
  std::vector<size_t> groups_;  // where each open group begins in out_
  std::optional<size_t> atom_;  // where what a quantifier would repeat begins in out_
  bool quantified_ = false;     // whether it ends in a quantifier
};

// PCRE2 tests the ranges of a class in the order they are written: the large scripts first.
bool is_common(CodePoints::Range range) {
  return range.first < 0x530 ||
         (range.first >= 0x3000 && range.first < 0xD7A4 && range.last - range.first > 50);
}

}  // namespace

std::string pcre2_class(const CodePoints& set, bool negated) {
  if (set.empty()) return negated ? "(?s:.)" : "(?!)";
  std::vector<CodePoints::Range> ranges(set.ranges().begin(), set.ranges().end());
  std::stable_partition(ranges.begin(), ranges.end(), is_common);
  std::string text = negated ? "[^" : "[";
  for (const auto& [first, last] : ranges) {
    text += fmt::format("\\x{{{:x}}}", static_cast<uint32_t>(first));
    if (last != first) text += fmt::format("-\\x{{{:x}}}", static_cast<uint32_t>(last));
  }
  return text + "]";
}

std::string pcre2_pattern(std::string_view oniguruma, std::string_view where) {
  return Translator(oniguruma, where).run();
}

}  // namespace committee::tokenizer
