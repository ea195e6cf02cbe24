#include "base/csv.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <utility>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/error.h"
#include "base/utf8.h"

namespace committee {
namespace {

#ifdef __SSE2__

// A bit for each of the 64 bytes that is a comma or a line feed.
uint64_t marks_of(const char* block) {
  const __m128i comma = _mm_set1_epi8(','), line_feed = _mm_set1_epi8('\n');
  uint64_t marks = 0;
  for (int i = 0; i < 4; ++i) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * i));
    const __m128i found = _mm_or_si128(_mm_cmpeq_epi8(bytes, comma), _mm_cmpeq_epi8(bytes, line_feed));
    marks |= static_cast<uint64_t>(_mm_movemask_epi8(found)) << (16 * i);
  }
  return marks;
}

#else

using Bytes16 = uint8_t __attribute__((vector_size(16)));

// A bit for each of the 64 bytes that is a comma or a line feed.
uint64_t marks_of(const char* block) {
  constexpr Bytes16 kBits = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  constexpr uint64_t kOnes = 0x0101010101010101u;  // times eight bytes: their sum in the highest
  uint64_t marks = 0;
  for (int i = 0; i < 4; ++i) {
    Bytes16 bytes;
    std::memcpy(&bytes, block + 16 * i, sizeof bytes);
    const Bytes16 found = ((bytes == ',') | (bytes == '\n')) & kBits;
    uint64_t halves[2];
    std::memcpy(halves, &found, sizeof halves);
    marks |= (halves[0] * kOnes >> 56 | halves[1] * kOnes >> 56 << 8) << (16 * i);
  }
  return marks;
}

#endif

// How many of the first `size` bytes are the same, in steps of eight: at least those before the first step
// that differs.
size_t same_bytes(const char* a, const char* b, size_t size) {
  size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    uint64_t from_a, from_b;
    std::memcpy(&from_a, a + at, 8);
    std::memcpy(&from_b, b + at, 8);
    if (from_a != from_b) return at + static_cast<size_t>(std::countr_zero(from_a ^ from_b)) / 8;
  }
  return at;
}

}  // namespace

CsvReader::CsvReader(std::string_view text, std::string name) : text_(text), name_(std::move(name)) {
  if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
}

std::string_view CsvReader::quoted_cell(std::deque<std::string>& unquoted) {
  const int64_t opened = line_;
  const size_t begin = ++at_;
  bool doubled = false;
  for (;; ++at_) {
    if (at_ >= text_.size()) throw Error("{}:{}: a quoted cell is never closed", name_, opened);
    if (text_[at_] == '"') {
      if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') break;
      ++at_;
      doubled = true;
    }
    if (text_[at_] == '\n') ++line_;
  }
  const std::string_view inside = text_.substr(begin, at_ - begin);
  ++at_;
  const std::string_view rest = text_.substr(at_);
  if (!rest.empty() && rest != "\r" && rest[0] != ',' && rest[0] != '\n' && !rest.starts_with("\r\n")) {
    throw Error("{}:{}: text follows the closing quote of a cell", name_, line_);
  }
  if (!doubled) return inside;
  std::string& text = unquoted.emplace_back();
  for (size_t i = 0; i < inside.size(); ++i) {
    text += inside[i];
    if (inside[i] == '"') ++i;
  }
  return text;
}

// Marks are found a block at a time, so that the search for one does not wait for the one before it.
void CsvReader::find_marks(size_t block) {
  block_ = block;
  const bool whole = text_.size() - block >= kBlock;
  char last[kBlock] = {};
  if (!whole) std::copy(text_.begin() + static_cast<std::ptrdiff_t>(block), text_.end(), last);
  marks_ = marks_of(whole ? text_.data() + block : last);
}

inline size_t CsvReader::cell_end(size_t begin) {
  for (size_t at = begin; at < text_.size(); at = block_ + kBlock) {
    if (at - block_ >= kBlock) find_marks(at - at % kBlock);
    const uint64_t marks = marks_ >> (at - block_);
    if (marks != 0) return at + static_cast<size_t>(std::countr_zero(marks));
  }
  return text_.size();
}

void CsvReader::check_utf8(size_t begin, int64_t line) {
  constexpr size_t kAhead = size_t{1} << 16;
  if (at_ <= ascii_until_) return;
  ascii_until_ = begin + ascii_prefix(text_.substr(begin, std::max(kAhead, at_ - begin)));
  if (at_ <= ascii_until_) return;
  const std::string_view record = text_.substr(begin, at_ - begin);
  const auto at = find_invalid_utf8(record);
  if (!at) return;
  const auto end = record.begin() + static_cast<std::ptrdiff_t>(*at);
  throw Error("{}:{}: invalid UTF-8", name_, line + std::count(record.begin(), end, '\n'));
}

// Rows of a table often begin as the row above does: up to the first difference nothing is to be looked for.
void CsvReader::repeat_cells(size_t begin, std::vector<std::string_view>& cells) {
  const char* const record = text_.data() + begin;
  const size_t same =
      commas_.empty() ? 0 : same_bytes(text_.data() + previous_, record, text_.size() - begin);
  size_t cell = 0;
  for (repeated_ = 0; repeated_ < commas_.size() && commas_[repeated_] < same; ++repeated_) {
    cells.emplace_back(record + cell, commas_[repeated_] - cell);
    cell = commas_[repeated_] + 1;
  }
  commas_.resize(repeated_);
  previous_ = begin;
  at_ = begin + cell;
}

std::optional<int64_t> CsvReader::next(std::vector<std::string_view>& cells,
                                       std::deque<std::string>& unquoted) {
  while (at_ < text_.size() && (text_[at_] == '\n' || text_.substr(at_).starts_with("\r\n"))) {
    at_ += text_[at_] == '\n' ? 1 : 2;
    ++line_;
  }
  if (at_ >= text_.size()) return std::nullopt;
  const int64_t line = line_;
  const size_t begin = at_;
  bool quoted = false;
  repeat_cells(begin, cells);
  // Not in members, where each step would wait for the one before to be stored.
  const std::string_view text = text_;
  size_t at = at_;
  for (;;) {
    if (at < text.size() && text[at] == '"') {
      at_ = at;
      quoted = true;
      cells.push_back(quoted_cell(unquoted));
      at = at_;
      if (at < text.size() && text[at] == '\r') ++at;
    } else {
      const size_t end = cell_end(at);
      const bool last = end == text.size() || text[end] == '\n';
      const bool return_before = last && end > at && text[end - 1] == '\r';
      cells.emplace_back(text.data() + at, end - at - (return_before ? 1 : 0));
      at = end;
    }
    if (at >= text.size()) break;
    if (text[at++] == '\n') {
      ++line_;
      break;
    }
    commas_.push_back(at - 1 - begin);
  }
  if (quoted) commas_.clear();
  at_ = at;
  check_utf8(begin, line);
  return line;
}

std::optional<CsvRecord> CsvReader::next() {
  std::vector<std::string_view> cells;
  std::deque<std::string> unquoted;
  const auto line = next(cells, unquoted);
  if (!line) return std::nullopt;
  return CsvRecord{*line, {cells.begin(), cells.end()}};
}

CsvWriter::CsvWriter(const std::vector<std::string_view>& header) : columns_(header.size()) {
  for (const auto name : header) add(name);
  end_row();
}

CsvWriter& CsvWriter::add(std::string_view text) {
  assert(column_ < columns_);
  if (column_++ > 0) text_ += ',';
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    text_ += text;
    return *this;
  }
  text_ += '"';
  for (const char c : text) {
    if (c == '"') text_ += '"';
    text_ += c;
  }
  text_ += '"';
  return *this;
}

CsvWriter& CsvWriter::add(double value) {
  if (std::isnan(value)) return add(std::string_view());
  return add(std::string_view(fmt::format("{}", value)));
}

CsvWriter& CsvWriter::add(int64_t value) { return add(std::string_view(fmt::format("{}", value))); }

void CsvWriter::end_row() {
  assert(column_ == columns_);
  column_ = 0;
  text_ += '\n';
}

}  // namespace committee
