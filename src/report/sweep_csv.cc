#include "report/sweep_csv.h"

#include <fmt/format.h>

#include "report/csv_table.h"

namespace committee::report {
namespace {

using audit::Figure;
using audit::SweepBudget;
using audit::SweepLayer;

struct Row {
  const SweepBudget* budget;
  const SweepLayer* layer;
};

auto figure_of(Figure SweepLayer::*figure) {
  return [figure](const Row& row) { return &(row.layer->*figure); };
}

std::string with_floor(const Figure& figure) {
  const auto shown = [](const std::optional<double>& value) {
    return value ? fmt::format("{:.3f}", *value) : "–";
  };
  return fmt::format("{} ({})", shown(figure.value), shown(figure.floor));
}

}  // namespace

std::string sweep_csv(const audit::SweepResult& result) {
  std::vector<Row> rows;
  for (const auto& budget : result.budgets) {
    for (const auto& layer : budget.layers) rows.push_back({&budget, &layer});
  }
  CsvTable<Row> table(std::move(rows));
  table.number("k", [](const Row& row) { return std::optional<double>(row.budget->k); });
  table.text("mode", [](const Row&) { return std::string("rerank"); });
  table.number("layer", [](const Row& row) { return std::optional<double>(row.layer->layer); });
  table.figure("size", figure_of(&SweepLayer::size));
  table.text("committee",
             [](const Row& row) { return fmt::format("{}", fmt::join(row.layer->committee, " ")); });
  table.figure("coverage_topk", figure_of(&SweepLayer::coverage_topk));
  table.figure("ratio_topk", figure_of(&SweepLayer::ratio_topk));
  table.figure("retention", figure_of(&SweepLayer::retention));
  return table.csv();
}

std::string sweep_summary(const audit::SweepResult& result) {
  std::string text = fmt::format(
      "Committees at other budgets, the recorded distributions re-ranked (own budget: {})\n"
      "  {:>4}  {:>18}  {:>22}\n",
      result.reference_k, "k", "layers with one", "retention (chance)");
  for (const auto& budget : result.budgets) {
    int with_committee = 0;
    for (const auto& layer : budget.layers) with_committee += !layer.committee.empty();
    text += fmt::format("  {:>4}  {:>18}  {:>22}\n", budget.k,
                        fmt::format("{} of {}", with_committee, budget.layers.size()),
                        with_floor(budget.retention));
  }
  return text;
}

}  // namespace committee::report
