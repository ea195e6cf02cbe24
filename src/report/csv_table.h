#pragma once

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/csv.h"
#include "report/figures.h"

namespace committee::report {

// A CSV file described by its columns, each a function of a row. Figures bring their baselines along as
// columns of their own (NAME_floor, NAME_permuted_mean, …) after all others, those that any row has.
template <typename Row>
class CsvTable {
 public:
  using Cell = std::variant<std::optional<double>, std::string>;
  using CellOf = std::function<Cell(const Row&)>;
  using FigureOf = std::function<const audit::Figure*(const Row&)>;

  explicit CsvTable(std::vector<Row> rows) : rows_(std::move(rows)) {}

  void number(std::string name, std::function<std::optional<double>(const Row&)> of) {
    columns_.push_back({std::move(name), [of = std::move(of)](const Row& row) { return Cell(of(row)); }});
  }
  void text(std::string name, std::function<std::string(const Row&)> of) {
    columns_.push_back({std::move(name), [of = std::move(of)](const Row& row) { return Cell(of(row)); }});
  }
  void figure(const std::string& name, FigureOf of) {
    number(name, [of](const Row& row) { return of(row)->value; });
    baselines(name, of);
  }
  // A figure's baselines alone, without those of the suffixes in `but`, which have columns of other names.
  void baselines(const std::string& name, FigureOf of, std::initializer_list<std::string_view> but = {}) {
    for (const auto& baseline : kBaselines) {
      if (std::find(but.begin(), but.end(), baseline.suffix) != but.end()) continue;
      const auto get = baseline.get;
      const bool any =
          std::any_of(rows_.begin(), rows_.end(), [&](const Row& row) { return get(*of(row)).has_value(); });
      if (!any) continue;
      extras_.push_back(
          {name + "_" + baseline.suffix, [of, get](const Row& row) { return Cell(get(*of(row))); }});
    }
  }

  std::string csv() const {
    auto columns = columns_;
    columns.insert(columns.end(), extras_.begin(), extras_.end());
    std::vector<std::string_view> header;
    for (const auto& column : columns) header.push_back(column.name);
    CsvWriter out(header);
    for (const Row& row : rows_) {
      for (const auto& column : columns) std::visit([&](const auto& cell) { out.add(cell); }, column.of(row));
      out.end_row();
    }
    return out.text();
  }

 private:
  struct Column {
    std::string name;
    CellOf of;
  };

  std::vector<Row> rows_;
  std::vector<Column> columns_, extras_;
};

}  // namespace committee::report
