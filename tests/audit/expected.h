#pragma once

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "audit/result.h"
#include "base/csv.h"
#include "base/mapped_file.h"

// Reads tables of expected values: columns by name, a row a map of cells.
namespace committee::audit::testing {

using Row = std::map<std::string, std::string>;

inline std::vector<Row> read_table(const std::filesystem::path& path) {
  const MappedFile file(path);
  CsvReader reader(file.text(), path.string());
  const auto header = reader.next();
  std::vector<Row> rows;
  while (auto record = reader.next()) {
    Row row;
    for (size_t i = 0; i < header->cells.size(); ++i) row[header->cells[i]] = record->cells[i];
    rows.push_back(std::move(row));
  }
  return rows;
}

// Within 1e-9 of the value, times the value where that is above 1; empty against nothing.
inline bool agrees(const std::optional<double>& value, const std::string& cell) {
  if (cell.empty() || !value) return cell.empty() && !value;
  const double expected = std::stod(cell);
  return std::abs(*value - expected) <= 1e-9 * std::max(1.0, std::abs(expected));
}

inline std::string joined(const std::vector<int>& ids) { return fmt::format("{}", fmt::join(ids, " ")); }

}  // namespace committee::audit::testing
