#include "report/sweep_files.h"

#include <fmt/format.h>

#include "report/csv_table.h"
#include "report/measure_columns.h"
#include "report/terminal_table.h"

namespace committee::report {
namespace {

using audit::Figure;
using audit::SweepBudget;
using audit::SweepLayer;
using audit::SweepMode;
using interventions::SetResult;

struct Row {
  const SweepBudget* budget;
  const SweepLayer* layer;
};

auto figure_of(Figure SweepLayer::*figure) {
  return [figure](const Row& row) { return &(row.layer->*figure); };
}

std::optional<double> mean_size(const SweepBudget& budget) {
  double sum = 0;
  for (const SweepLayer& layer : budget.layers) sum += static_cast<double>(layer.committee.size());
  return sum / static_cast<double>(budget.layers.size());
}

std::string with_floor(const Figure& figure) {
  return fmt::format("{} ({})", decimals(figure.value, 3), decimals(figure.floor, 3));
}

std::string budget_sentence(const SweepBudget& budget, int own, const SetResult* outcomes) {
  std::string line = fmt::format("With k = {}, {}, {} of {} layers have a committee", budget.k,
                                 budget.mode == SweepMode::kRerank ? "re-ranked" : "executed",
                                 budget.layers_with_committee(), budget.layers.size());
  if (budget.retention.value)
    line += fmt::format("; {:.1f}% of the committee at k = {} is in it", 100 * *budget.retention.value, own);
  if (budget.retention.floor) line += fmt::format(" (by chance {:.1f}%)", 100 * *budget.retention.floor);
  if (outcomes && budget.k != own) line += "; " + interventions::changed(*outcomes);
  return line + ".";
}

}  // namespace

const SetResult* SweepFindings::at(const SweepBudget& budget) const {
  if (budget.mode == SweepMode::kRerank) return nullptr;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (budgets[i] == budget.k) return &outcomes[i];
  }
  return nullptr;
}

std::string sweep_csv(const audit::SweepResult& result) {
  std::vector<Row> rows;
  for (const auto& budget : result.budgets) {
    for (const auto& layer : budget.layers) rows.push_back({&budget, &layer});
  }
  CsvTable<Row> table(std::move(rows));
  table.number("k", [](const Row& row) { return std::optional<double>(row.budget->k); });
  table.text("mode", [](const Row& row) { return std::string(audit::name_of(row.budget->mode)); });
  table.number("layer", [](const Row& row) { return std::optional<double>(row.layer->layer); });
  table.figure("size", figure_of(&SweepLayer::size));
  table.text("committee",
             [](const Row& row) { return fmt::format("{}", fmt::join(row.layer->committee, " ")); });
  table.figure("coverage_topk", figure_of(&SweepLayer::coverage_topk));
  table.figure("ratio_topk", figure_of(&SweepLayer::ratio_topk));
  table.figure("retention", figure_of(&SweepLayer::retention));
  return table.csv();
}

std::string budgets_csv(const SweepFindings& findings) {
  std::vector<const SweepBudget*> rows;
  for (const auto& budget : findings.sweep.budgets) rows.push_back(&budget);
  using At = const SweepBudget*;
  CsvTable<At> table(std::move(rows));
  table.number("k", [](const At& row) { return std::optional<double>(row->k); });
  table.text("mode", [](const At& row) { return std::string(audit::name_of(row->mode)); });
  table.number("layers_with_committee",
               [](const At& row) { return std::optional<double>(row->layers_with_committee()); });
  table.number("size", [](const At& row) { return mean_size(*row); });
  table.figure("retention", [](const At& row) { return &row->retention; });
  if (!findings.outcomes.empty())
    add_measures<At>(
        table, [&findings](const At& row) { return findings.at(*row); }, false);
  return table.csv();
}

std::string sweep_table(const SweepFindings& findings, const TerminalStyle& style) {
  const bool scored = !findings.outcomes.empty();
  std::vector<TerminalTable::Column> columns = {{"k", Align::kRight},
                                                {"mode", Align::kLeft},
                                                {"layers with one", Align::kRight},
                                                {"mean size", Align::kRight},
                                                {"retention (chance)", Align::kRight}};
  for (const char* title : {"correct", "wrong", "no answer", "letter", "log p", "KL"}) {
    if (scored) columns.push_back({title, Align::kRight});
  }
  TerminalTable table(columns);
  for (const SweepBudget& budget : findings.sweep.budgets) {
    std::vector<Cell> cells = {fmt::format("{}", budget.k), audit::name_of(budget.mode),
                               fmt::format("{} of {}", budget.layers_with_committee(), budget.layers.size()),
                               decimals(mean_size(budget), 2), with_floor(budget.retention)};
    const SetResult* outcomes = findings.at(budget);
    for (size_t m = 0; scored && m < interventions::kMeasures; ++m) {
      const auto value = outcomes ? outcomes->measures[m].value.value : std::nullopt;
      cells.emplace_back(m < 4 ? percent(value) : decimals(value, m == 4 ? 3 : 4));
    }
    table.row(std::move(cells));
  }
  return fmt::format("Committees at other budgets (own budget: {})\n{}", findings.sweep.reference_k,
                     table.text(style));
}

std::vector<std::string> sweep_sentences(const SweepFindings& findings) {
  std::vector<std::string> text;
  for (const SweepBudget& budget : findings.sweep.budgets)
    text.push_back(budget_sentence(budget, findings.sweep.reference_k, findings.at(budget)));
  return text;
}

}  // namespace committee::report
