#include "tokenizer/code_points.h"

#include <algorithm>

namespace committee::tokenizer {

void append_utf8(std::string& text, char32_t c) {
  const auto trail = [&](int shift) { text += static_cast<char>(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += static_cast<char>(0xC0 | c >> 6);
    trail(0);
  } else if (c < 0x10000) {
    text += static_cast<char>(0xE0 | c >> 12);
    trail(6), trail(0);
  } else {
    text += static_cast<char>(0xF0 | c >> 18);
    trail(12), trail(6), trail(0);
  }
}

CodePoints::CodePoints(std::initializer_list<Range> ranges) : ranges_(ranges) { normalise(); }

CodePoints::CodePoints(std::span<const Range> ranges) : ranges_(ranges.begin(), ranges.end()) { normalise(); }

void CodePoints::normalise() {
  std::sort(ranges_.begin(), ranges_.end(), [](Range a, Range b) { return a.first < b.first; });
  std::vector<Range> merged;
  const auto push = [&](Range range) {
    if (range.first > range.last) return;
    if (!merged.empty() && range.first <= merged.back().last + 1) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  };
  for (const Range& range : ranges_) {
    push({range.first, std::min<char32_t>(range.last, 0xD7FF)});
    push({std::max<char32_t>(range.first, 0xE000), std::min(range.last, kMaxCodePoint)});
  }
  ranges_ = std::move(merged);
}

void CodePoints::add(Range range) {
  if (!ranges_.empty() && range.first > ranges_.back().last + 1 && range.last < 0xD800) {
    ranges_.push_back(range);
    return;
  }
  ranges_.push_back(range);
  normalise();
}

void CodePoints::add(const CodePoints& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  normalise();
}

CodePoints CodePoints::complement() const {
  CodePoints result;
  char32_t from = 0;
  for (const Range& range : ranges_) {
    if (range.first > from) result.ranges_.push_back({from, range.first - 1});
    from = range.last + 1;
  }
  if (from <= kMaxCodePoint) result.ranges_.push_back({from, kMaxCodePoint});
  result.normalise();
  return result;
}

CodePoints CodePoints::intersection(const CodePoints& other) const {
  CodePoints result;
  for (size_t i = 0, j = 0; i < ranges_.size() && j < other.ranges_.size();) {
    const Range a = ranges_[i], b = other.ranges_[j];
    const Range both = {std::max(a.first, b.first), std::min(a.last, b.last)};
    if (both.first <= both.last) result.ranges_.push_back(both);
    ++(a.last < b.last ? i : j);
  }
  return result;
}

bool CodePoints::contains(char32_t c) const {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), c,
                                      [](char32_t value, const Range& range) { return value < range.first; });
  return after != ranges_.begin() && c <= std::prev(after)->last;
}

size_t CodePoints::size() const {
  size_t total = 0;
  for (const Range& range : ranges_) total += range.last - range.first + 1;
  return total;
}

}  // namespace committee::tokenizer
