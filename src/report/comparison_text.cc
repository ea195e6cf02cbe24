#include <fmt/format.h>

#include <algorithm>

#include "report/comparison.h"
#include "report/layer_table.h"
#include "report/terminal_table.h"

namespace committee::report {

namespace {

using audit::Change;
using audit::SetChange;

constexpr int kSetWidth = 16;

Cell change_cell(Change change) {
  switch (change) {
    case Change::kNone:
      return {"= same", Ink::kDim};
    case Change::kWithinNoise:
      return {"~ noise", Ink::kPlain};
    case Change::kBeyondNoise:
      return {"≠ changed", Ink::kAccent};
    case Change::kUndecided:
      break;
  }
  return {"? no bootstrap", Ink::kWarning};
}

std::string moved(const SetChange& set, bool joined) {
  std::vector<int> ids, beyond;
  for (const auto& expert : set.experts) {
    if (expert.joined != joined) continue;
    ids.push_back(expert.expert);
    if (expert.change == Change::kBeyondNoise) beyond.push_back(expert.expert);
  }
  return short_set(ids, kSetWidth, beyond);
}

std::string pair_table(const audit::PairComparison& pair, const TerminalStyle& style) {
  TerminalTable table({{"layer"},
                       {"committee", Align::kLeft},
                       {"Jaccard"},
                       {"noise"},
                       {"joined", Align::kLeft},
                       {"left", Align::kLeft},
                       {"core", Align::kLeft},
                       {"Jaccard"},
                       {"Spearman"}});
  for (const auto& layer : pair.layers) {
    table.row({std::to_string(layer.layer), change_cell(layer.committee.change),
               two_decimals(layer.committee.jaccard), two_decimals(layer.committee.agreement),
               moved(layer.committee, true), moved(layer.committee, false), change_cell(layer.core.change),
               two_decimals(layer.core.jaccard), two_decimals(layer.spearman)});
  }
  return table.text(style);
}

// "+0.123", "–" for what is undefined.
std::string excess(std::optional<double> number) { return number ? fmt::format("{:+.3f}", *number) : "–"; }

// A row a figure, a column an audit: over its floor / over shuffled labels.
std::string figures_table(const ComparisonReport& report, const TerminalStyle& style) {
  std::vector<TerminalTable::Column> columns = {{"", Align::kLeft}};
  const int most = std::max(12, (style.width - 24) / static_cast<int>(report.audits.size()) - 2);
  for (const auto& audit : report.audits) columns.push_back({clip(printable(audit.label), most)});
  TerminalTable table(columns);
  for (size_t i = 0; i < report.figures.size();) {
    const std::string name = report.figures[i].name;
    std::vector<Cell> cells(report.audits.size() + 1, Cell("–"));
    cells[0] = name;
    bool any = false;
    for (; i < report.figures.size() && report.figures[i].name == name; ++i) {
      const auto& figure = report.figures[i];
      if (!figure.excess_floor && !figure.excess_permuted) continue;
      any = true;
      cells[figure.audit + 1] =
          clip(excess(figure.excess_floor) + " / " + excess(figure.excess_permuted), most);
    }
    if (any) table.row(std::move(cells));
  }
  return table.text(style);
}

}  // namespace

std::string comparison_text(const ComparisonReport& report, const TerminalStyle& wanted) {
  const TerminalStyle style{wanted.colour, std::max(kLeastWidth, wanted.width)};
  const auto label = [&](int audit) { return printable(report.audits[static_cast<size_t>(audit)].label); };
  std::string text = inked("Compared with " + label(0), Ink::kBold, style) + "\n";
  for (const auto& sentence : report.sentences) text += paragraph(printable(sentence), "  ", style);
  bool starred = false;
  for (const auto& pair : report.pairs) {
    if (pair.reference != 0) continue;
    text += heading(fmt::format("{} against {}, by layer", label(pair.audit), label(0)), style);
    text += pair_table(pair, style);
    starred = starred || pair.layers_with(&audit::LayerComparison::committee, Change::kBeyondNoise) > 0;
  }
  if (starred) text += paragraph("* beyond bootstrap noise", "  ", style, Ink::kDim);
  text += "\n" + terminal_comparison(report.audits, style);
  text += heading("Over the floor / over shuffled domain labels", style);
  return text + figures_table(report, style);
}

}  // namespace committee::report
