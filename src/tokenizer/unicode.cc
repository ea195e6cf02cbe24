#include "tokenizer/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <string>

#include "tokenizer/unicode_differences.h"

namespace committee::tokenizer {
namespace {

using Sets = std::map<std::string, CodePoints, std::less<>>;

constexpr const char* kLongNames[][2] = {
    {"letter", "l"},
    {"mark", "m"},
    {"number", "n"},
    {"punctuation", "p"},
    {"punct", "p"},
    {"symbol", "s"},
    {"separator", "z"},
    {"other", "c"},
    {"uppercaseletter", "lu"},
    {"lowercaseletter", "ll"},
    {"titlecaseletter", "lt"},
    {"modifierletter", "lm"},
    {"otherletter", "lo"},
    {"nonspacingmark", "mn"},
    {"spacingmark", "mc"},
    {"enclosingmark", "me"},
    {"decimalnumber", "nd"},
    {"digit", "nd"},
    {"letternumber", "nl"},
    {"othernumber", "no"},
};

std::string lowered(const char* name) {
  std::string result;
  for (; *name != 0; ++name) result += static_cast<char>(*name | 0x20);
  return result;
}

Sets general_categories() {
  std::map<std::string, std::vector<CodePoints::Range>> ranges;
  const CategoryRange* differs = std::begin(kCategoryDifferences);
  std::vector<CodePoints::Range>* last = nullptr;
  const char* last_name = nullptr;
  for (char32_t c = 0; c <= kMaxCodePoint; ++c) {
    const char* name = utf8proc_category_string(static_cast<utf8proc_int32_t>(c));
    while (differs != std::end(kCategoryDifferences) && c > differs->last) ++differs;
    if (differs != std::end(kCategoryDifferences) && c >= differs->first) name = differs->name;
    if (last == nullptr || std::strcmp(name, last_name) != 0) {
      last = &ranges[lowered(name)];
      last->push_back({c, c});
      last_name = name;
    }
    last->back().last = c;
  }
  Sets sets;
  for (const auto& [name, list] : ranges) {
    sets[name] = CodePoints(list);
    sets[name.substr(0, 1)].add(sets[name]);
  }
  return sets;
}

Sets properties() {
  Sets sets = general_categories();
  for (const auto& [name, meaning] : kLongNames) sets[name] = sets[meaning];
  sets["any"] = {{0, kMaxCodePoint}};
  sets["arabic"] = CodePoints(kArabic);
  sets["cyrillic"] = CodePoints(kCyrillic);
  sets["devanagari"] = CodePoints(kDevanagari);
  sets["greek"] = CodePoints(kGreek);
  sets["han"] = CodePoints(kHan);
  sets["hangul"] = CodePoints(kHangul);
  sets["hebrew"] = CodePoints(kHebrew);
  sets["hiragana"] = CodePoints(kHiragana);
  sets["katakana"] = CodePoints(kKatakana);
  sets["latin"] = CodePoints(kLatin);
  sets["thai"] = CodePoints(kThai);
  sets["space"] = white_space();
  return sets;
}

const CodePoints& category(const char* name) { return *property(name); }

}  // namespace

const CodePoints* property(std::string_view name) {
  static const Sets sets = properties();
  std::string key;
  for (const char c : name) {
    if (c == ' ' || c == '-' || c == '_') continue;
    key += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  const auto at = sets.find(key);
  return at == sets.end() ? nullptr : &at->second;
}

const CodePoints& white_space() {
  static const CodePoints set = {{0x9, 0xD},       {0x20, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},
                                 {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F},
                                 {0x205F, 0x205F}, {0x3000, 0x3000}};
  return set;
}

const CodePoints& word() {
  static const CodePoints set = [] {
    // Letters in circles and squares are alphabetic symbols.
    CodePoints result = {{0x24B6, 0x24E9}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};
    for (const char* name : {"l", "m", "nd", "nl", "pc"}) result.add(category(name));
    return result;
  }();
  return set;
}

const CodePoints& word_outside_class() {
  static const CodePoints set = [] {
    CodePoints result = {{0xB2, 0xB3}, {0xB9, 0xB9}, {0xBC, 0xBE}};
    result.add(word());
    return result;
  }();
  return set;
}

const CodePoints& word_with_joiners() {
  static const CodePoints set = [] {
    CodePoints result = {{0x200C, 0x200D}};
    result.add(word());
    return result;
  }();
  return set;
}

const CodePoints& numeric() {
  static const CodePoints set = [] {
    CodePoints result = {{0x11DE0, 0x11DE9}, {0x16FF4, 0x16FF6}};
    result.add(category("n"));
    return result;
  }();
  return set;
}

const CodePoints& punctuation() {
  static const CodePoints set = [] {
    CodePoints result = category("p").intersection(CodePoints(kNotPunctuation).complement());
    result.add(CodePoints(kAlsoPunctuation));
    for (const char c : std::string_view("$+<=>^`|~"))
      result.add({static_cast<char32_t>(c), static_cast<char32_t>(c)});
    return result;
  }();
  return set;
}

const CodePoints& inert_in_normal_forms() {
  static const CodePoints set = [] {
    CodePoints result(kInertInNormalForms);
    std::vector<CodePoints::Range> newer;
    for (const CategoryRange& range : kCategoryDifferences) newer.push_back({range.first, range.last});
    result.add(CodePoints(newer));
    return result;
  }();
  return set;
}

char32_t lowercase(char32_t c) {
  const auto* range =
      std::lower_bound(std::begin(kLowercaseDifferences), std::end(kLowercaseDifferences), c,
                       [](const LowercaseRange& r, char32_t value) { return r.last < value; });
  if (range != std::end(kLowercaseDifferences) && c >= range->first) {
    return static_cast<char32_t>(static_cast<int32_t>(c) + range->difference);
  }
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

}  // namespace committee::tokenizer
