#pragma once

#include <deque>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"

namespace committee::audit {

// A table of text cells with the line (CSV) or row (XLSX) that each begins at. Movable.
struct Spreadsheet {
  struct Row {
    int64_t line = 0;
    size_t begin = 0, size = 0;  // in `cells`
  };
  std::string name;  // for errors
  bool from_csv = false;
  std::vector<std::string> header{};
  std::vector<Row> rows{};

  std::vector<std::string_view> cells{};  // of all rows, pointing into what follows
  std::deque<std::string> texts{};
  MappedFile file{};

  // Index of a column, or -1.
  int column(const std::string& title) const;

  // Empty where the row is shorter than the header.
  std::string_view cell(const Row& row, int column) const {
    const auto at = static_cast<size_t>(column);
    return at < row.size ? cells[row.begin + at] : std::string_view();
  }
};

// Reads *.csv, or the first sheet of *.xlsx. Throws Error naming file, line and rule.
Spreadsheet read_spreadsheet(const std::filesystem::path& path);

}  // namespace committee::audit
