#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace committee::tokenizer {

inline constexpr char32_t kMaxCodePoint = 0x10FFFF;

// The code point that begins at `at`, which is moved past it. `text` is well-formed UTF-8.
inline char32_t next_code_point(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  const char32_t lead = byte(at);
  const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t c = length == 1 ? lead : lead & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) c = c << 6 | (byte(at + i) & 0x3F);
  at += length;
  return c;
}

// Where the code point that ends before `at` begins; at > 0.
inline size_t previous_code_point(std::string_view text, size_t at) {
  do --at;
  while ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

void append_utf8(std::string& text, char32_t c);

// A set of code points, surrogates left out.
class CodePoints {
 public:
  struct Range {
    char32_t first, last;
    bool operator==(const Range&) const = default;
  };

  CodePoints() = default;
  CodePoints(std::initializer_list<Range> ranges);
  explicit CodePoints(std::span<const Range> ranges);

  void add(Range range);
  void add(const CodePoints& other);
  CodePoints complement() const;
  CodePoints intersection(const CodePoints& other) const;

  bool contains(char32_t c) const;
  bool empty() const { return ranges_.empty(); }
  size_t size() const;
  // Ascending, disjoint, with gaps between them.
  std::span<const Range> ranges() const { return ranges_; }

 private:
  void normalise();

  std::vector<Range> ranges_;
};

}  // namespace committee::tokenizer
