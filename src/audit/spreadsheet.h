#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace committee::audit {

// A table of text cells, *.csv or the first sheet of *.xlsx, read row by row. Movable. Throws Error naming
// file, line and rule.
class Spreadsheet {
 public:
  // Reads the header, the first row with anything in it.
  explicit Spreadsheet(const std::filesystem::path& path);
  Spreadsheet(Spreadsheet&&) noexcept;
  ~Spreadsheet();

  const std::string& name() const { return name_; }  // for errors
  bool from_csv() const { return from_csv_; }
  const std::vector<std::string>& header() const { return header_; }
  int column(const std::string& title) const;  // its index, or -1

  // Goes on to the next row with anything in it; false at the end.
  bool next();
  int64_t line() const { return line_; }  // that the row begins at; of XLSX its number

  // Of the row, until next() is called again; empty where the row is shorter than the header.
  std::string_view cell(int column) const {
    const auto at = static_cast<size_t>(column);
    return at < cells_.size() ? cells_[at] : std::string_view();
  }

  // Whether the row's cell is known to be the one of the row above.
  bool repeats(int column) const { return static_cast<size_t>(column) < repeated_; }

  // Where rows come from.
  struct Rows {
    virtual ~Rows() = default;
    struct Row {
      int64_t line = 0;
      size_t repeated = 0;  // first cells that are known to repeat those of the row before
    };
    // Its cells stay until the next call.
    virtual std::optional<Row> next(std::vector<std::string_view>& cells) = 0;
  };

 private:
  std::string name_;
  bool from_csv_ = false;
  std::unique_ptr<Rows> rows_;
  std::vector<std::string> header_;
  std::vector<std::string_view> cells_;
  int64_t line_ = 0;
  size_t repeated_ = 0;
};

}  // namespace committee::audit
