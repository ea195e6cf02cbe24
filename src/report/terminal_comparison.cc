#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "report/narrative.h"
#include "report/overview.h"
#include "report/terminal.h"
#include "report/terminal_table.h"

namespace committee::report {

namespace {

std::string sizes(int layers, int all, int least, int most) {
  if (layers == 0) return "none";
  const std::string range = least == most ? std::to_string(least) : fmt::format("{}–{}", least, most);
  return fmt::format("{} in {}/{} layers", range, layers, all);
}

std::string with_floor(const std::string& value, const std::string& floor) {
  return floor == "–" ? value : value + " (" + floor + ")";
}

struct Line {
  std::string name;
  std::function<std::string(const Overview&, const audit::AuditResult&)> show;
};

std::vector<Line> lines() {
  using audit::AuditResult;
  return {
      {"positions", [](const Overview&, const AuditResult& r) { return positions_in_words(r.positions); }},
      {"samples, rows",
       [](const Overview&, const AuditResult& r) {
         return grouped_digits(r.samples) + ", " + grouped_digits(r.rows);
       }},
      {"core", [](const Overview& v,
                  const AuditResult&) { return sizes(v.with_core, v.layers, v.least_core, v.most_core); }},
      {"committee",
       [](const Overview& v, const AuditResult&) {
         return sizes(v.with_committee, v.layers, v.least_size, v.most_size);
       }},
      {"coverage of the top k (floor)",
       [](const Overview& v, const AuditResult&) {
         return with_floor(percent(v.coverage), percent(v.coverage_floor));
       }},
      {"coverage of all (|C|/E)",
       [](const Overview& v, const AuditResult&) {
         return with_floor(percent(v.coverage_full), percent(v.coverage_full_floor));
       }},
      {"Jaccard (chance)",
       [](const Overview& v, const AuditResult&) {
         return with_floor(decimals(v.jaccard, 3), decimals(v.chance, 3));
       }},
      {"… labels shuffled",
       [](const Overview& v, const AuditResult&) { return decimals(v.jaccard_permuted, 3); }},
      {"Gini of the top k (floor)",
       [](const Overview& v, const AuditResult&) {
         return with_floor(decimals(v.gini_topk, 3), decimals(v.gini_floor, 3));
       }},
      {"Gini of all", [](const Overview& v, const AuditResult&) { return decimals(v.gini_full, 3); }},
      {"silhouette", [](const Overview& v, const AuditResult&) { return decimals(v.silhouette, 3); }},
      {"R² of domain", [](const Overview& v, const AuditResult&) { return decimals(v.r2, 3); }},
      {"… labels shuffled", [](const Overview& v, const AuditResult&) { return decimals(v.r2_permuted, 3); }},
      {"warnings", [](const Overview&, const AuditResult& r) { return std::to_string(r.warnings.size()); }},
  };
}

}  // namespace

std::string terminal_comparison(std::span<const LabelledAudit> audits, const TerminalStyle& wanted) {
  if (audits.empty()) return "";
  const TerminalStyle style{wanted.colour, std::max(kLeastWidth, wanted.width)};
  const int most = std::max(12, (style.width - 34) / static_cast<int>(audits.size()) - 2);
  std::vector<TerminalTable::Column> columns = {{"", Align::kLeft}};
  std::vector<Overview> views;
  for (const auto& audit : audits) {
    columns.push_back({clip(printable(audit.label), most), Align::kRight});
    views.push_back(overview(audit.result));
  }
  TerminalTable table(columns);
  for (const auto& line : lines()) {
    std::vector<Cell> cells = {line.name};
    bool any = false;
    for (size_t i = 0; i < audits.size(); ++i) {
      cells.emplace_back(clip(line.show(views[i], audits[i].result), most));
      any = any || cells.back().text != "–";
    }
    if (any) table.row(std::move(cells));
  }
  return inked("Side by side: means over layers", Ink::kBold, style) + "\n" + table.text(style);
}

}  // namespace committee::report
