#include "tokenizer/normal_forms.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/error.h"
#include "tokenizer/unicode.h"

namespace committee::tokenizer {
namespace {

using CodePoint = utf8proc_int32_t;

bool composes(NormalForm form) { return form == NormalForm::kNfc || form == NormalForm::kNfkc; }

utf8proc_option_t decomposition(NormalForm form) {
  const bool compatible = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  return static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE |
                                        (compatible ? UTF8PROC_COMPAT : 0));
}

// Facts of every code point under one normal form. A stretch of text is normalised on its own where it begins
// at a boundary and the text behind it does.
class Table {
 public:
  explicit Table(NormalForm form) : form_(form), flags_(new uint8_t[kMaxCodePoint + 1]()) {
    std::vector<CodePoint> continuations;
    for (char32_t c = 0; c <= kMaxCodePoint; ++c) {
      const auto* properties = utf8proc_get_property(static_cast<CodePoint>(c));
      const bool hangul = c >= 0xAC00 && c < 0xD7A4;
      if (properties->combining_class == 0 && properties->decomp_seqindex == UINT16_MAX && !hangul) continue;
      flags_[c] |= classify(static_cast<CodePoint>(c), continuations);
    }
    if (composes(form)) {
      // Whatever stands behind the first place of a canonical decomposition may compose with what is before
      // it.
      for (const CodePoint c : continuations) flags_[static_cast<size_t>(c)] |= kContinues | kChanges;
      for (CodePoint c = 0x1161; c <= 0x1175; ++c) flags_[static_cast<size_t>(c)] |= kContinues | kChanges;
      for (CodePoint c = 0x11A8; c <= 0x11C2; ++c) flags_[static_cast<size_t>(c)] |= kContinues | kChanges;
    }
    for (const auto& [first, last] : inert_in_normal_forms().ranges()) {
      std::fill(&flags_[first], &flags_[last] + 1, kInert);
    }
    if (composes(form)) pull_decompositions();
  }

  // May join or be reordered with what is before it.
  bool continues(char32_t c) const { return (flags_[c] & kContinues) != 0; }
  // Not always left as it is.
  bool changes(char32_t c) const { return (flags_[c] & kChanges) != 0; }
  bool inert(char32_t c) const { return (flags_[c] & kInert) != 0; }

  NormalForm form() const { return form_; }

 private:
  static constexpr uint8_t kContinues = 1, kChanges = 2, kInert = 4;

  // Of a code point with a combining class or a decomposition; collects what its decomposition continues
  // with.
  uint8_t classify(CodePoint c, std::vector<CodePoint>& continuations) const;

  // A code point whose decomposition begins with one that continues (U+FF9E, a sound mark) continues too.
  void pull_decompositions() {
    std::array<CodePoint, 32> parts;
    for (char32_t c = 0; c <= kMaxCodePoint; ++c) {
      if ((flags_[c] & kChanges) == 0 || (flags_[c] & kContinues) != 0) continue;
      int boundary = 0;
      const auto size = utf8proc_decompose_char(static_cast<CodePoint>(c), parts.data(), parts.size(),
                                                decomposition(form_), &boundary);
      if (size > 0 && continues(static_cast<char32_t>(parts[0]))) flags_[c] |= kContinues;
    }
  }

  NormalForm form_;
  std::unique_ptr<uint8_t[]> flags_;
};

uint8_t Table::classify(CodePoint c, std::vector<CodePoint>& continuations) const {
  std::array<CodePoint, 32> parts;
  int boundary = 0;
  const auto canonical =
      utf8proc_decompose_char(c, parts.data(), parts.size(), decomposition(NormalForm::kNfd), &boundary);
  for (utf8proc_ssize_t i = 1; i < canonical; ++i) continuations.push_back(parts[static_cast<size_t>(i)]);
  auto size = utf8proc_decompose_char(c, parts.data(), parts.size(), decomposition(form_), &boundary);
  const int first_class = utf8proc_get_property(parts[0])->combining_class;
  if (composes(form_)) {
    size = utf8proc_normalize_utf32(parts.data(), size,
                                    static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  }
  uint8_t flags = 0;
  if (first_class != 0) flags |= kContinues | kChanges;
  if (size != 1 || parts[0] != c) flags |= kChanges;
  return flags;
}

const Table& table(NormalForm form) {
  switch (form) {
    case NormalForm::kNfc: {
      static const Table facts(NormalForm::kNfc);
      return facts;
    }
    case NormalForm::kNfd: {
      static const Table facts(NormalForm::kNfd);
      return facts;
    }
    case NormalForm::kNfkc: {
      static const Table facts(NormalForm::kNfkc);
      return facts;
    }
    case NormalForm::kNfkd:
      break;
  }
  static const Table facts(NormalForm::kNfkd);
  return facts;
}

// The normal form of one stretch; the vectors are scratch.
class Stretch {
 public:
  std::string_view normalised(const Table& facts, std::string_view text) {
    parts_.clear();
    for (size_t at = 0; at < text.size();) {
      const auto c = static_cast<CodePoint>(next_code_point(text, at));
      if (facts.inert(static_cast<char32_t>(c))) {
        parts_.push_back({c, 0});
        continue;
      }
      std::array<CodePoint, 32> buffer;
      int boundary = 0;
      const auto size =
          utf8proc_decompose_char(c, buffer.data(), buffer.size(), decomposition(facts.form()), &boundary);
      for (utf8proc_ssize_t i = 0; i < size; ++i) {
        const CodePoint part = buffer[static_cast<size_t>(i)];
        parts_.push_back({part, utf8proc_get_property(part)->combining_class});
      }
    }
    order_marks();
    code_points_.clear();
    for (const Part& part : parts_) code_points_.push_back(part.c);
    auto size = static_cast<utf8proc_ssize_t>(code_points_.size());
    if (composes(facts.form())) {
      size = utf8proc_normalize_utf32(code_points_.data(), size,
                                      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    }
    text_.clear();
    for (utf8proc_ssize_t i = 0; i < size; ++i) {
      append_utf8(text_, static_cast<char32_t>(code_points_[static_cast<size_t>(i)]));
    }
    return text_;
  }

 private:
  struct Part {
    CodePoint c;
    int combining_class;
  };

  void order_marks() {
    const auto starter = [](const Part& part) { return part.combining_class == 0; };
    for (auto run = parts_.begin(); run != parts_.end();) {
      run = std::find_if_not(run, parts_.end(), starter);
      const auto end = std::find_if(run, parts_.end(), starter);
      std::stable_sort(run, end,
                       [](const Part& a, const Part& b) { return a.combining_class < b.combining_class; });
      run = end;
    }
  }

  std::vector<Part> parts_;
  std::vector<CodePoint> code_points_;
  std::string text_;
};

}  // namespace

void normalise(NormalForm form, Rewriter& rewriter, std::string_view text) {
  const Table& facts = table(form);
  Stretch stretch;
  size_t last = 0;  // where the code point before `at` begins
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      last = at++;
      continue;
    }
    const char32_t c = next_code_point(text, at);
    if (!facts.changes(c)) {
      last = begin;
      continue;
    }
    const size_t from = facts.continues(c) ? last : begin;
    while (at < text.size()) {
      size_t next = at;
      if (!facts.continues(next_code_point(text, next))) break;
      at = next;
    }
    rewriter.replace(from, at, stretch.normalised(facts, text.substr(from, at - from)));
    last = at;
  }
}

}  // namespace committee::tokenizer
