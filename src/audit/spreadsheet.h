#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace committee::audit {

// A table of text cells with the line (CSV) or row (XLSX) that each begins at. Short rows are filled with
// empty cells.
struct Spreadsheet {
  struct Row {
    int64_t line = 0;
    std::vector<std::string> cells{};
  };
  std::string name;  // for errors
  bool from_csv = false;
  std::vector<std::string> header{};
  std::vector<Row> rows{};

  // Index of a column, or -1.
  int column(const std::string& title) const;
};

// Reads *.csv, or the first sheet of *.xlsx. Throws Error naming file, line and rule.
Spreadsheet read_spreadsheet(const std::filesystem::path& path);

}  // namespace committee::audit
