#pragma once

#include <optional>
#include <string>
#include <vector>

#include "audit/compare.h"
#include "report/audit_files.h"
#include "report/html.h"
#include "report/terminal.h"

// Audits against the first of them: what every view of `compare` is made from.
namespace committee::report {

// A figure of one audit, as means over the layers that have what is subtracted.
struct ComparedFigure {
  const char* name;
  size_t audit;
  std::optional<double> value{}, floor{}, permuted_mean{};
  std::optional<audit::Interval> interval{};                // bootstrap, of the value
  std::optional<double> excess_floor{}, excess_permuted{};  // value less the floor, less the permuted mean
  std::optional<double> excess_relative{};  // of figures that 1 bounds: (value - floor)/(1 - floor)
  int layers = 0;                           // with a value
  std::optional<int> layers_p05{};          // with p ≤ 0.05 under shuffled domain labels
};

struct ComparisonReport {
  std::vector<LabelledAudit> audits;         // [A], the reference first
  std::vector<audit::PairComparison> pairs;  // of audits of one shape
  std::vector<ComparedFigure> figures;       // by figure, then audit
  std::vector<std::string> sentences;        // the answer
};
ComparisonReport compare_audits(std::vector<LabelledAudit> audits);

const char* name_of(audit::Change change);  // none, within_noise, beyond_noise, undecided

// compare.csv, compare_experts.csv, compare_matrix.csv, compare_figures.csv (docs/compare.md).
std::vector<CsvFile> comparison_csv(const ComparisonReport& report);
std::string comparison_json(const ComparisonReport& report, const std::string& command);
std::string comparison_text(const ComparisonReport& report, const TerminalStyle& style);
std::string html_comparison(const ComparisonReport& report, const HtmlContext& context);

}  // namespace committee::report
