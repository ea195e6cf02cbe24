#include "base/csv.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"

namespace committee {
namespace {

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

inline size_t CsvReader::cell_end() {
  for (size_t at = at_; at < text_.size(); at = block_ + kBlock) {
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

std::optional<int64_t> CsvReader::next(std::vector<std::string_view>& cells,
                                       std::deque<std::string>& unquoted) {
  while (at_ < text_.size() && (text_[at_] == '\n' || text_.substr(at_).starts_with("\r\n"))) {
    at_ += text_[at_] == '\n' ? 1 : 2;
    ++line_;
  }
  if (at_ >= text_.size()) return std::nullopt;
  const int64_t line = line_;
  const size_t begin = at_;
  for (;;) {
    if (at_ < text_.size() && text_[at_] == '"') {
      cells.push_back(quoted_cell(unquoted));
      if (at_ < text_.size() && text_[at_] == '\r') ++at_;
    } else {
      const size_t end = cell_end();
      const bool last = end == text_.size() || text_[end] == '\n';
      const bool return_before = last && end > at_ && text_[end - 1] == '\r';
      cells.push_back(text_.substr(at_, end - at_ - (return_before ? 1 : 0)));
      at_ = end;
    }
    if (at_ >= text_.size()) break;
    if (text_[at_++] == '\n') {
      ++line_;
      break;
    }
  }
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
