#include <fmt/format.h>
#include <fmt/ranges.h>

#include "report/comparison.h"
#include "report/csv_table.h"

namespace committee::report {

namespace {

using audit::Change;
using audit::ExpertChange;
using audit::LayerComparison;
using audit::PairComparison;
using audit::SetChange;

struct LayerRow {
  const ComparisonReport* report;
  const PairComparison* pair;
  const LayerComparison* layer;
};

struct ExpertRow {
  LayerRow of;
  const char* set;
  const ExpertChange* expert;
};

const std::string& label(const ComparisonReport& report, int audit) {
  return report.audits[static_cast<size_t>(audit)].label;
}

std::vector<LayerRow> layer_rows(const ComparisonReport& report) {
  std::vector<LayerRow> rows;
  for (const auto& pair : report.pairs) {
    if (pair.reference != 0) continue;
    for (const auto& layer : pair.layers) rows.push_back({&report, &pair, &layer});
  }
  return rows;
}

template <typename Row, typename Get>
void key_columns(CsvTable<Row>& table, Get get) {
  table.number("layer", [get](const Row& row) { return std::optional<double>(get(row).layer->layer); });
  table.text("reference",
             [get](const Row& row) { return label(*get(row).report, get(row).pair->reference); });
  table.text("audit", [get](const Row& row) { return label(*get(row).report, get(row).pair->audit); });
}

std::string moved(const SetChange& set, bool joined) {
  std::vector<int> ids;
  for (const auto& expert : set.experts) {
    if (expert.joined == joined) ids.push_back(expert.expert);
  }
  return fmt::format("{}", fmt::join(ids, " "));
}

// NAME_low and NAME_high, of the bootstrap.
template <typename Row, typename Get>
void interval_columns(CsvTable<Row>& table, const std::string& name, Get get) {
  table.number(name + "_low", [get](const Row& row) {
    const std::optional<audit::Interval> interval = get(row);
    return interval ? std::optional(interval->low) : std::nullopt;
  });
  table.number(name + "_high", [get](const Row& row) {
    const std::optional<audit::Interval> interval = get(row);
    return interval ? std::optional(interval->high) : std::nullopt;
  });
}

void set_columns(CsvTable<LayerRow>& table, const std::string& name, SetChange LayerComparison::*set) {
  const auto of = [set](const LayerRow& row) -> const SetChange& { return row.layer->*set; };
  table.number(name + "_jaccard", [of](const LayerRow& row) { return of(row).jaccard; });
  interval_columns(table, name + "_jaccard", [of](const LayerRow& row) { return of(row).interval; });
  table.number(name + "_agreement", [of](const LayerRow& row) { return of(row).agreement; });
  table.text(name + "_change", [of](const LayerRow& row) { return std::string(name_of(of(row).change)); });
  table.text(name + "_joined", [of](const LayerRow& row) { return moved(of(row), true); });
  table.text(name + "_left", [of](const LayerRow& row) { return moved(of(row), false); });
}

std::string layers_csv(const ComparisonReport& report) {
  CsvTable<LayerRow> table(layer_rows(report));
  key_columns(table, [](const LayerRow& row) { return row; });
  set_columns(table, "committee", &LayerComparison::committee);
  set_columns(table, "core", &LayerComparison::core);
  table.number("spearman", [](const LayerRow& row) { return row.layer->spearman; });
  table.number("contributions_apart", [](const LayerRow& row) {
    return row.layer->apart ? std::optional<double>(*row.layer->apart) : std::nullopt;
  });
  return table.csv();
}

std::string experts_csv(const ComparisonReport& report) {
  std::vector<ExpertRow> rows;
  for (const auto& row : layer_rows(report)) {
    for (const auto& expert : row.layer->committee.experts) rows.push_back({row, "committee", &expert});
    for (const auto& expert : row.layer->core.experts) rows.push_back({row, "core", &expert});
  }
  CsvTable<ExpertRow> table(std::move(rows));
  key_columns(table, [](const ExpertRow& row) { return row.of; });
  table.text("set", [](const ExpertRow& row) { return std::string(row.set); });
  table.number("expert", [](const ExpertRow& row) { return std::optional<double>(row.expert->expert); });
  table.text("change",
             [](const ExpertRow& row) { return std::string(row.expert->joined ? "joined" : "left"); });
  table.number("inclusion_reference", [](const ExpertRow& row) { return row.expert->inclusion_reference; });
  table.number("inclusion_audit", [](const ExpertRow& row) { return row.expert->inclusion_audit; });
  table.number("beyond_noise", [](const ExpertRow& row) {
    return row.expert->change == Change::kUndecided
               ? std::nullopt
               : std::optional<double>(row.expert->change == Change::kBeyondNoise);
  });
  return table.csv();
}

std::string matrix_csv(const ComparisonReport& report) {
  struct Row {
    const ComparisonReport* report;
    const PairComparison* pair;
  };
  std::vector<Row> rows;
  for (const auto& pair : report.pairs) rows.push_back({&report, &pair});
  CsvTable<Row> table(std::move(rows));
  table.text("audit_a", [](const Row& row) { return label(*row.report, row.pair->reference); });
  table.text("audit_b", [](const Row& row) { return label(*row.report, row.pair->audit); });
  table.number("committee_jaccard", [](const Row& row) { return row.pair->committee_jaccard; });
  interval_columns(table, "committee_jaccard", [](const Row& row) { return row.pair->committee_interval; });
  table.number("committee_agreement", [](const Row& row) { return row.pair->committee_agreement; });
  table.number("core_jaccard", [](const Row& row) { return row.pair->core_jaccard; });
  interval_columns(table, "core_jaccard", [](const Row& row) { return row.pair->core_interval; });
  table.number("spearman", [](const Row& row) { return row.pair->spearman; });
  const auto layers = [](SetChange LayerComparison::*set) {
    return [set](const Row& row) {
      return std::optional<double>(row.pair->layers_with(set, Change::kBeyondNoise));
    };
  };
  table.number("committees_beyond_noise", layers(&LayerComparison::committee));
  table.number("cores_beyond_noise", layers(&LayerComparison::core));
  table.number("layers", [](const Row& row) { return std::optional<double>(std::ssize(row.pair->layers)); });
  return table.csv();
}

std::string figures_csv(const ComparisonReport& report) {
  struct Row {
    const ComparisonReport* report;
    const ComparedFigure* figure;
  };
  std::vector<Row> rows;
  for (const auto& figure : report.figures) rows.push_back({&report, &figure});
  CsvTable<Row> table(std::move(rows));
  table.text("figure", [](const Row& row) { return std::string(row.figure->name); });
  table.text("audit", [](const Row& row) { return row.report->audits[row.figure->audit].label; });
  const auto number = [&](const char* name, std::optional<double> ComparedFigure::*value) {
    table.number(name, [value](const Row& row) { return row.figure->*value; });
  };
  number("value", &ComparedFigure::value);
  interval_columns(table, "value", [](const Row& row) { return row.figure->interval; });
  number("floor", &ComparedFigure::floor);
  number("permuted_mean", &ComparedFigure::permuted_mean);
  number("excess_floor", &ComparedFigure::excess_floor);
  number("excess_permuted", &ComparedFigure::excess_permuted);
  number("excess_relative", &ComparedFigure::excess_relative);
  table.number("layers", [](const Row& row) { return std::optional<double>(row.figure->layers); });
  table.number("layers_p05", [](const Row& row) {
    return row.figure->layers_p05 ? std::optional<double>(*row.figure->layers_p05) : std::nullopt;
  });
  return table.csv();
}

}  // namespace

std::vector<CsvFile> comparison_csv(const ComparisonReport& report) {
  return {{"compare.csv", layers_csv(report)},
          {"compare_experts.csv", experts_csv(report)},
          {"compare_matrix.csv", matrix_csv(report)},
          {"compare_figures.csv", figures_csv(report)}};
}

}  // namespace committee::report
