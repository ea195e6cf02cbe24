#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace committee {

// One record of a CSV file (RFC 4180: quoted cells may hold commas, doubled quotes and line breaks; LF or
// CRLF) and the 1-based line it begins at.
struct CsvRecord {
  int64_t line = 0;
  std::vector<std::string> cells;
};

// Reads records from `text`, which must outlive the reader. `name` begins the sentences of errors. A UTF-8
// byte order mark is skipped, blank lines are passed over. Throws Error for an unclosed quote, text after a
// closing quote, or invalid UTF-8.
class CsvReader {
 public:
  CsvReader(std::string_view text, std::string name);

  // The next record, nothing at the end.
  std::optional<CsvRecord> next();

  // The same without a string for every cell: appends the record's cells, which point into the text, or,
  // where a cell has doubled quotes, into a string that is added to `unquoted`. Gives the record's line.
  std::optional<int64_t> next(std::vector<std::string_view>& cells, std::deque<std::string>& unquoted);

  // How many first cells of the last record are known to repeat those of the record before it.
  size_t repeated() const { return repeated_; }
  const std::string& name() const { return name_; }

 private:
  std::string_view quoted_cell(std::deque<std::string>& unquoted);
  void find_marks(size_t block);
  size_t cell_end(size_t begin);  // of an unquoted cell: the next comma or line feed, or the text's end
  void check_utf8(size_t begin, int64_t line);
  void repeat_cells(size_t begin, std::vector<std::string_view>& cells);

  std::string_view text_;
  std::string name_;
  size_t at_ = 0, ascii_until_ = 0;
  int64_t line_ = 1;

  size_t previous_ = 0;         // where the last record begins
  std::vector<size_t> commas_;  // after its cells, from where it begins; none where a cell is quoted
  size_t repeated_ = 0;

  static constexpr size_t kBlock = 64;
  size_t block_ = size_t{0} - kBlock;  // where the block that marks_ is of begins; at first there is none
  uint64_t marks_ = 0;                 // a bit for each of its bytes that can end a cell
};

// Writes rows: cells quoted by RFC 4180 where they must be, numbers in the shortest form that reads back to
// the same double, booleans as 0 and 1, nothing for std::nullopt.
class CsvWriter {
 public:
  explicit CsvWriter(const std::vector<std::string_view>& header);

  CsvWriter& add(std::string_view text);
  CsvWriter& add(const char* text) { return add(std::string_view(text)); }
  CsvWriter& add(double value);
  CsvWriter& add(int64_t value);
  CsvWriter& add(int value) { return add(static_cast<int64_t>(value)); }
  CsvWriter& add(bool value) { return add(static_cast<int64_t>(value)); }
  template <typename T>
  CsvWriter& add(const std::optional<T>& value) {
    return value ? add(*value) : add(std::string_view());
  }
  void end_row();

  const std::string& text() const { return text_; }

 private:
  std::string text_;
  size_t columns_, column_ = 0;
};

}  // namespace committee
