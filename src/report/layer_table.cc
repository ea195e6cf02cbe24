#include "report/layer_table.h"

#include <algorithm>

namespace committee::report {

using audit::AuditResult;
using audit::Figure;
using audit::LayerResult;

Extremes extremes(const AuditResult& result, const LayerValue& value_of) {
  Extremes found;
  double sum = 0;
  int count = 0;
  for (const auto& layer : result.layers) {
    const std::optional<double> value = value_of(layer);
    if (!value) continue;
    found.max = std::max(found.max.value_or(*value), *value);
    found.min = std::min(found.min.value_or(*value), *value);
    sum += *value;
    ++count;
  }
  if (count > 0) found.mean = sum / count;
  return found;
}

LayerColumn number_column(const std::string& title, LayerValue value, Show show) {
  const auto cell = [value, show](const LayerResult& layer) { return Cell(show(value(layer))); };
  return {{title, Align::kRight}, cell, std::move(value), show};
}

LayerColumn number_column(const std::string& title, Figure LayerResult::*figure, Show show) {
  return number_column(
      title, [figure](const LayerResult& layer) { return (layer.*figure).value; }, show);
}

std::string layer_table(const AuditResult& result, const std::vector<LayerColumn>& columns,
                        const TerminalStyle& style) {
  std::vector<TerminalTable::Column> heads = {{"layer", Align::kRight}};
  for (const auto& column : columns) heads.push_back(column.head);
  TerminalTable table(heads);
  for (const auto& layer : result.layers) {
    std::vector<Cell> cells = {std::to_string(layer.layer)};
    for (const auto& column : columns) cells.push_back(column.cell(layer));
    table.row(std::move(cells));
  }
  if (result.layers.size() < 2) return table.text(style);
  table.rule();
  for (const auto& [name, part] : {std::pair("max", &Extremes::max), std::pair("min", &Extremes::min),
                                   std::pair("mean", &Extremes::mean)}) {
    std::vector<Cell> cells = {{name, Ink::kDim}};
    for (const auto& column : columns) {
      cells.emplace_back(column.value ? column.show(extremes(result, column.value).*part) : "", Ink::kBold);
    }
    table.row(std::move(cells));
  }
  return table.text(style);
}

std::string no_decimals(std::optional<double> number) { return decimals(number, 0); }
std::string one_decimal(std::optional<double> number) { return decimals(number, 1); }
std::string two_decimals(std::optional<double> number) { return decimals(number, 2); }
std::string three_decimals(std::optional<double> number) { return decimals(number, 3); }

std::string heading(const std::string& title, const TerminalStyle& style) {
  return "\n" + inked(title, Ink::kBold, style) + "\n";
}

std::string paragraph(const std::string& text, const std::string& indent, const TerminalStyle& style,
                      Ink ink) {
  std::string lines;
  for (const auto& line : wrap(text, style.width - display_width(indent))) {
    lines += indent + inked(line, ink, style) + "\n";
  }
  return lines;
}

}  // namespace committee::report
