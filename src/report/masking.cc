#include "report/masking.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "report/csv_table.h"
#include "report/measure_columns.h"
#include "report/terminal_table.h"

namespace committee::report {

using interventions::ExpertSet;
using interventions::Kind;
using interventions::kMeasures;
using interventions::SetResult;

std::string layers_text(const ExpertSet& set) {
  std::vector<int> layers;
  for (const auto& [layer, ids] : set.experts) layers.push_back(layer);
  return fmt::format("{}", fmt::join(layers, " "));
}

std::string experts_text(const ExpertSet& set) {
  if (set.experts.size() == 1) return fmt::format("{}", fmt::join(set.experts.begin()->second, " "));
  std::vector<std::string> parts;
  for (const auto& [layer, ids] : set.experts)
    parts.push_back(fmt::format("{}:{}", layer, fmt::join(ids, ",")));
  return fmt::format("{}", fmt::join(parts, ";"));
}

std::string masking_csv(const std::vector<SetResult>& results) {
  std::vector<const SetResult*> rows;
  for (const SetResult& result : results) rows.push_back(&result);
  CsvTable<const SetResult*> table(rows);
  using Row = const SetResult*;
  table.text("layer", [](const Row& row) { return layers_text(row->set); });
  table.text("set", [](const Row& row) { return row->set.name; });
  table.text("kind", [](const Row& row) { return std::string(interventions::name_of(row->set.kind)); });
  table.text("experts", [](const Row& row) { return experts_text(row->set); });
  table.number("slot_share", [](const Row& row) { return row->set.slot_share; });
  add_measures<Row>(
      table, [](const Row& row) { return row; }, true);
  return table.csv();
}

namespace {

std::string p_text(const std::optional<double>& p) { return decimals(p, 3); }

std::vector<Cell> row_of(const SetResult& result) {
  const auto& measures = result.measures;
  std::vector<Cell> cells = {layers_text(result.set), result.set.name};
  for (size_t m = 0; m < 4; ++m) cells.emplace_back(percent(measures[m].value.value));
  cells.emplace_back(decimals(measures[4].value.value, 3));
  cells.emplace_back(decimals(measures[5].value.value, 4));
  cells.emplace_back(p_text(measures[4].p_matched));
  cells.emplace_back(p_text(measures[4].p_random));
  return cells;
}

// The controls of a set: their range.
void add_controls(TerminalTable& table, const std::vector<SetResult>& results, int target, Kind kind) {
  std::array<std::vector<double>, kMeasures> values;
  for (const SetResult& result : results) {
    if (result.set.target != target || result.set.kind != kind) continue;
    for (size_t m = 0; m < kMeasures; ++m) values[m].push_back(*result.measures[m].value.value);
  }
  if (values[0].empty()) return;
  std::vector<Cell> cells = {
      Cell(""), Cell(fmt::format("  {} {}", values[0].size(), interventions::name_of(kind)), Ink::kDim)};
  for (size_t m = 0; m < kMeasures; ++m) {
    const auto [low, high] = std::minmax_element(values[m].begin(), values[m].end());
    const double scale = m < 4 ? 100 : 1;
    const int digits = m < 4 ? 1 : m == 4 ? 3 : 4;
    cells.emplace_back(fmt::format("{:.{}f}…{:.{}f}", scale * *low, digits, scale * *high, digits),
                       Ink::kDim);
  }
  cells.resize(kMeasures + 4);
  table.row(std::move(cells));
}

}  // namespace

std::string masking_table(const std::vector<SetResult>& results, const TerminalStyle& style) {
  TerminalTable table({{"layer", Align::kRight},
                       {"set", Align::kLeft},
                       {"correct", Align::kRight},
                       {"wrong", Align::kRight},
                       {"no answer", Align::kRight},
                       {"letter", Align::kRight},
                       {"log p", Align::kRight},
                       {"KL", Align::kRight},
                       {"p matched", Align::kRight},
                       {"p random", Align::kRight}});
  for (size_t v = 0; v < results.size(); ++v) {
    if (results[v].set.target >= 0) continue;
    table.row(row_of(results[v]));
    add_controls(table, results, static_cast<int>(v), Kind::kMatched);
    add_controls(table, results, static_cast<int>(v), Kind::kRandom);
  }
  return table.text(style) +
         fmt::format("  letter accuracy by chance {}; p: rank of log p among the controls\n",
                     percent(results[0].measures[3].value.floor));
}

}  // namespace committee::report
