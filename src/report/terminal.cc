#include "report/terminal.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/layer_table.h"
#include "report/narrative.h"
#include "report/overview.h"
#include "report/terminal_table.h"

namespace committee::report {

namespace {

using audit::AuditResult;
using audit::Figure;
using audit::LayerResult;

constexpr int kSparkWidth = 48;
constexpr size_t kMostDomains = 16;  // rows of the domains' table; more are in specificity.csv

std::string first_lines(const AuditResult& result, const TerminalStyle& style) {
  const std::string name = result.model.name.empty() ? "an unnamed model" : printable(result.model.name);
  std::string text = inked("Committee audit of " + clip(name, style.width - 19), Ink::kBold, style) + "\n";
  for (const auto& line : subject_lines(result)) {
    text += "  " + inked(clip(printable(line), style.width - 2), Ink::kDim, style) + "\n";
  }
  return text;
}

// The first sentence, where it is the audit's own verdict, stands out.
std::string answer_text(const AuditResult& result, const TerminalStyle& style) {
  auto sentences = answer(result);
  std::string text = "\n";
  if (!result.verdict.reason.empty()) {
    text += paragraph(printable(sentences.front()), "  ", style, Ink::kBold);
    sentences.erase(sentences.begin());
  }
  std::string rest;
  for (const auto& sentence : sentences) rest += (rest.empty() ? "" : " ") + printable(sentence);
  return text + paragraph(rest, "  ", style);
}

std::string load_section(const AuditResult& result, const TerminalStyle& style) {
  struct Row {
    const char *name, *meaning;
    Figure LayerResult::*figure;
    Show show;
  };
  const Row rows[] = {
      {"routing entropy", "1: tokens spread evenly", &LayerResult::routing_entropy, three_decimals},
      {"load entropy", "1: slots spread evenly", &LayerResult::load_entropy, three_decimals},
      {"effective experts", "as many equal ones", &LayerResult::effective_experts, one_decimal},
      {"max / mean load", "1: even", &LayerResult::max_over_mean, two_decimals},
      {"unused experts", "never executed", &LayerResult::unused, one_decimal},
  };
  TerminalTable table(
      {{"figure", Align::kLeft}, {"by layer", Align::kLeft}, {"min"}, {"mean"}, {"max"}, {"", Align::kLeft}});
  bool any = false;
  const int spark = std::clamp(style.width - 69, 8, kSparkWidth);
  for (const auto& row : rows) {
    std::vector<std::optional<double>> values;
    for (const auto& layer : result.layers) values.push_back((layer.*row.figure).value);
    const auto found = extremes(result, [&](const LayerResult& layer) { return (layer.*row.figure).value; });
    if (!found.mean) continue;
    any = true;
    table.row({row.name,
               {sparkline(values, spark), Ink::kAccent},
               row.show(found.min),
               {row.show(found.mean), Ink::kBold},
               row.show(found.max),
               {row.meaning, Ink::kDim}});
  }
  return any ? heading("Load", style) + table.text(style) : "";
}

std::string domain_section(const AuditResult& result, const TerminalStyle& style) {
  std::vector<std::pair<std::optional<double>, size_t>> order;
  audit::Interval scale{0, 0};
  for (size_t d = 0; d < result.domains.size(); ++d) {
    order.emplace_back(mean_silhouette(result, d), d);
    for (const auto& layer : result.layers) {
      const double value = layer.silhouette[d].value.value_or(0);
      scale = {std::min(scale.low, value), std::max(scale.high, value)};
    }
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.first.value_or(-2) > b.first.value_or(-2); });
  const int spark = std::clamp(style.width - 62, 8, kSparkWidth);
  TerminalTable table({{"domain", Align::kLeft}, {"samples"}, {"silhouette"}, {"by layer", Align::kLeft}});
  const size_t left_out = order.size() > kMostDomains ? order.size() - kMostDomains : 0;
  for (size_t i = 0; i < order.size(); ++i) {
    if (left_out > 0 && i == kMostDomains / 2) {
      table.row({{fmt::format("… {} more in specificity.csv", left_out), Ink::kDim}});
      i += left_out;
    }
    const auto& [silhouette, d] = order[i];
    std::vector<std::optional<double>> values;
    for (const auto& layer : result.layers) values.push_back(layer.silhouette[d].value);
    table.row({clip(printable(result.domains[d].name), 34),
               grouped_digits(result.domains[d].samples),
               decimals(silhouette, 3),
               {sparkline(values, spark, scale), Ink::kAccent}});
  }
  return heading("Domains, most specific first", style) + table.text(style);
}

std::string evidence_text(const Json& evidence) {
  std::string text;
  for (const auto& [name, value] : evidence.items()) {
    if (!text.empty()) text += ", ";
    text += name + " " +
            (value.is_string() ? value.get<std::string>()
                               : value.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  return printable(text);
}

std::string warnings_section(const AuditResult& result, const TerminalStyle& style) {
  constexpr int kEvidenceLines = 3;
  if (result.warnings.empty()) return "";
  std::string text = heading(
      result.warnings.size() == 1 ? "One warning" : fmt::format("{} warnings", result.warnings.size()),
      style);
  for (const auto& warning : result.warnings) {
    const auto lines = wrap(printable(warning.message), style.width - 4);
    for (size_t i = 0; i < lines.size(); ++i) {
      text += (i == 0 ? "  " + inked("▲", Ink::kWarning, style) + " " : "    ") + lines[i] + "\n";
    }
    const std::string evidence = clip(printable(warning.code) + ": " + evidence_text(warning.evidence),
                                      (style.width - 4) * kEvidenceLines - 20);
    text += paragraph(evidence, "    ", style, Ink::kDim);
  }
  return text;
}

}  // namespace

std::string terminal_report(const AuditResult& result, const TerminalStyle& wanted) {
  const TerminalStyle style{wanted.colour, std::max(kLeastWidth, wanted.width)};
  std::string text = first_lines(result, style);
  if (!result.layers.empty()) {
    text += answer_text(result, style) + committee_section(result, style) + sharing_section(result, style) +
            load_section(result, style) + domain_section(result, style);
  }
  return text + warnings_section(result, style);
}

}  // namespace committee::report
