#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/version.h"
#include "report/comparison.h"
#include "report/figures.h"
#include "report/html_page.h"
#include "report/html_text.h"
#include "report/narrative.h"
#include "report/terminal_table.h"
#include "report/text.h"

namespace committee::report {

namespace {

using audit::Change;
using audit::PairComparison;
using audit::SetChange;

const std::string& label(const ComparisonReport& report, int audit) {
  return report.audits[static_cast<size_t>(audit)].label;
}

std::string table_begin(const std::string& name, const std::vector<std::string>& columns) {
  std::string html =
      fmt::format("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table><thead><tr>",
                  escaped(name));
  for (const auto& column : columns) html += fmt::format("<th scope=\"col\">{}</th>", escaped(column));
  return html + "</tr></thead><tbody>\n";
}
constexpr const char* kTableEnd = "</tbody></table></div>\n";

std::string number(std::optional<double> value) {
  return value ? number_cell(decimals(value, 3), *value) : "<td class=\"number\">–</td>";
}

// "0.317 [0.250, 0.400]"
std::string number(std::optional<double> value, const std::optional<audit::Interval>& interval) {
  if (!value || !interval) return number(value);
  return number_cell(
      fmt::format("{} [{}, {}]", decimals(value, 3), decimals(interval->low, 3), decimals(interval->high, 3)),
      *value);
}

std::string change_words(Change change) {
  return change == Change::kNone          ? "same"
         : change == Change::kWithinNoise ? "within noise"
         : change == Change::kBeyondNoise ? "beyond noise"
                                          : "no bootstrap";
}

// "7* 12": those that joined or left, with a star where that is beyond noise.
std::string moved(const SetChange& set, bool joined) {
  std::vector<std::string> ids;
  for (const auto& expert : set.experts) {
    if (expert.joined != joined) continue;
    ids.push_back(std::to_string(expert.expert) + (expert.change == Change::kBeyondNoise ? "*" : ""));
  }
  return ids.empty() ? "–" : fmt::format("{}", fmt::join(ids, " "));
}

HtmlSection answer_section(const ComparisonReport& report) {
  std::string html;
  for (const auto& sentence : report.sentences) html += "<p>" + escaped(sentence) + "</p>\n";
  return {"answer", "Answer", "The answer", html};
}

std::string layer_chart(const char* figure, const char* title) {
  return fmt::format("<figure><figcaption>{0}</figcaption>{1}</figure>\n", title,
                     chart_box("compare_layers", title, fmt::format("{} by layer, a line an audit.", title),
                               fmt::format(" data-figure=\"{}\"", figure)));
}

std::string pair_rows(const ComparisonReport& report, const PairComparison& pair) {
  const std::string title =
      fmt::format("{} against {}", label(report, pair.audit), label(report, pair.reference));
  std::string html = "<h3>" + escaped(title) + "</h3>\n";
  html += table_begin(title, {"layer", "committee", "joined", "left", "Jaccard", "noise", "core", "joined",
                              "left", "Jaccard", "Spearman"});
  for (const auto& layer : pair.layers) {
    html += fmt::format("<tr><th scope=\"row\">{}</th>", layer.layer);
    html += cell(change_words(layer.committee.change)) + cell(moved(layer.committee, true)) +
            cell(moved(layer.committee, false)) + number(layer.committee.jaccard, layer.committee.interval) +
            number(layer.committee.agreement);
    html += cell(change_words(layer.core.change)) + cell(moved(layer.core, true)) +
            cell(moved(layer.core, false)) + number(layer.core.jaccard, layer.core.interval) +
            number(layer.spearman) + "</tr>\n";
  }
  return html + kTableEnd;
}

HtmlSection layers_section(const ComparisonReport& report) {
  std::string rows;
  for (const auto& pair : report.pairs) {
    if (pair.reference == 0) rows += pair_rows(report, pair);
  }
  if (rows.empty()) return {};
  std::string html = "<div class=\"multiples\">\n" +
                     layer_chart("committee_jaccard", "Jaccard of committees") +
                     layer_chart("core_jaccard", "Jaccard of cores") +
                     layer_chart("spearman", "Spearman of contributions") + "</div>\n";
  html +=
      "<p class=\"note\">* beyond bootstrap noise: the 95% interval of the difference of the two bootstraps' "
      "memberships excludes 0. Noise: the Jaccard of two bootstrap committees of one audit. In brackets: 95% "
      "intervals of the two audits' bootstraps, replicate by replicate.</p>\n";
  return {"layers", "Layers", "What joined and what left", html + rows};
}

HtmlSection matrix_section(const ComparisonReport& report) {
  if (report.pairs.size() < 2) return {};
  std::string html = chart_box("compare_matrix", "Jaccard of every two audits",
                               "Mean Jaccard of the committees of every two audits of one shape.");
  html += table_begin("Every two audits",
                      {"audit", "and", "Jaccard of committees", "noise", "of cores", "Spearman"});
  for (const auto& pair : report.pairs) {
    html += "<tr>" + cell(label(report, pair.reference)) + cell(label(report, pair.audit)) +
            number(pair.committee_jaccard, pair.committee_interval) + number(pair.committee_agreement) +
            number(pair.core_jaccard, pair.core_interval) + number(pair.spearman) + "</tr>\n";
  }
  return {"matrix", "All pairs", "Every two audits", html + kTableEnd};
}

HtmlSection figures_section(const ComparisonReport& report) {
  std::string charts, rows;
  std::set<std::string> charted;
  for (const auto& figure : report.figures) {
    if (!figure.excess_floor && !figure.excess_permuted) continue;
    if (charted.insert(figure.name).second) {
      charts +=
          fmt::format("<figure><figcaption>{0}</figcaption>{1}</figure>\n", title_of(figure.name),
                      chart_box("compare_figure", figure.name,
                                fmt::format("{} of every audit beside its floor and its shuffled value.",
                                            title_of(figure.name)),
                                fmt::format(" data-figure=\"{}\"", figure.name)));
    }
    rows += "<tr>" + cell(title_of(figure.name)) + cell(report.audits[figure.audit].label) +
            number(figure.value, figure.interval) + number(figure.floor) + number(figure.excess_floor) +
            number(figure.permuted_mean) + number(figure.excess_permuted) + "</tr>\n";
  }
  if (rows.empty()) return {};
  std::string html =
      "<p>Means over layers. What is over the floor is more than arithmetic; what is over the shuffled "
      "labels "
      "depends on domain. Only such differences compare models of other shapes.</p>\n"
      "<p class=\"legend\"><span class=\"swatch value\"></span>value, <span class=\"swatch "
      "floor\"></span>floor, "
      "<span class=\"swatch permuted\"></span>with domain labels shuffled</p>\n";
  html += "<div class=\"multiples\">\n" + charts + "</div>\n";
  html += table_begin("Figures",
                      {"figure", "audit", "value", "floor", "over the floor", "shuffled", "over shuffled"});
  return {"figures", "Figures", "Figures over their floors", html + rows + kTableEnd};
}

HtmlSection making_section(const ComparisonReport& report, const std::string& command) {
  std::string html = table_begin("What was compared", {"audit", "model", "shape", "data", "positions",
                                                       "samples", "otherwise than the reference"});
  const auto& reference = report.audits.front().result;
  for (const auto& [name, result] : report.audits) {
    html += "<tr>" + cell(name) + cell(result.model.name) +
            cell(fmt::format("{} layers × {} experts, k {}", result.layers.size(), result.model.experts,
                             result.k)) +
            cell(result.recording.dataset) + cell(positions_in_words(result.positions)) +
            cell(grouped_digits(result.samples)) +
            cell(fmt::format("{}", fmt::join(audit::setting_differences(reference, result), "; "))) +
            "</tr>\n";
  }
  html += kTableEnd;
  html += fmt::format("<p class=\"note\">committee-audit {}{}</p>\n", kVersion,
                      command.empty() ? "" : ": " + escaped(command));
  return {"making", "Making", "What was compared", html};
}

std::vector<PageTable> page_tables(const ComparisonReport& report) {
  std::vector<PageTable> tables;
  for (auto& file : comparison_csv(report)) tables.push_back({std::move(file)});
  return tables;
}

}  // namespace

std::string html_comparison(const ComparisonReport& report, const HtmlContext& context) {
  std::vector<HtmlSection> sections = {answer_section(report),
                                       layers_section(report),
                                       matrix_section(report),
                                       figures_section(report),
                                       making_section(report, context.command),
                                       tables_section()};
  std::erase_if(sections, [](const HtmlSection& section) { return section.id.empty(); });
  std::vector<std::string> labels;
  for (const auto& audit : report.audits) labels.push_back(audit.label);
  return html_page({"Audits compared",
                    {fmt::format("{}", fmt::join(labels, " · "))},
                    sections,
                    R"({"k":0,"experts":0,"layers":[],"stable":[]})",
                    page_tables(report)});
}

}  // namespace committee::report
