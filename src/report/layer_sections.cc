#include <fmt/format.h>

#include <algorithm>

#include "report/layer_table.h"
#include "report/narrative.h"
#include "report/overview.h"

namespace committee::report {

namespace {

using audit::AuditResult;
using audit::Figure;
using audit::LayerResult;
using audit::Verdict;

Cell verdict_cell(const LayerResult& layer) {
  switch (layer.verdict.verdict) {
    case Verdict::kCommittee:
      return {"● committee", Ink::kAccent};
    case Verdict::kArithmetic:
      return {"○ arithmetic", Ink::kPlain};
    case Verdict::kUndecided:
      return {"? undecided", Ink::kWarning};
    case Verdict::kNone:
      break;
  }
  return {"– none", Ink::kDim};
}

bool any_layer(const AuditResult& result, bool (*holds)(const LayerResult&)) {
  return std::any_of(result.layers.begin(), result.layers.end(), holds);
}

std::string set_text(const LayerResult& layer, const std::vector<int>& set, int width) {
  return short_set(set, width, layer.stable.value_or(std::vector<int>()));
}

// The width that a column of sets needs, at most `limit`.
int set_width(const AuditResult& result, std::vector<int> LayerResult::*set, int limit) {
  int width = static_cast<int>(std::string_view("committee").size());
  for (const auto& layer : result.layers) {
    width = std::max(width, display_width(set_text(layer, layer.*set, limit)));
  }
  return width;
}

LayerColumn set_column(const std::string& title, std::vector<int> LayerResult::*set, int width, Ink ink) {
  const bool committee = set == &LayerResult::committee;
  const auto cell = [=](const LayerResult& layer) {
    const bool fallback = committee && layer.by_fallback;
    const std::string text =
        set_text(layer, layer.*set, fallback ? width - 1 : width) + (fallback ? "†" : "");
    return Cell(text, (layer.*set).empty() ? Ink::kDim : ink);
  };
  const auto size = [=](const LayerResult& layer) {
    return std::optional(static_cast<double>((layer.*set).size()));
  };
  return {{title, Align::kLeft}, cell, size, one_decimal};
}

LayerColumn bar_column(const std::string& title, int width) {
  const auto cell = [=](const LayerResult& layer) {
    if (layer.committee.empty()) return Cell();
    Cell bar = share_bar(layer.coverage_topk.value, layer.coverage_topk.floor, width);
    bar.ink = Ink::kAccent;
    return bar;
  };
  return {{clip(title, width), Align::kLeft}, cell, nullptr};
}

LayerColumn shuffled_column(Figure LayerResult::*figure) {
  const auto cell = [=](const LayerResult& layer) {
    const auto& permuted = (layer.*figure).permuted;
    return Cell(permuted ? fmt::format("{:.2f}–{:.2f}", permuted->low, permuted->high) : "–");
  };
  return {{"shuffled", Align::kRight}, cell, nullptr};
}

LayerColumn p_column(Figure LayerResult::*figure) {
  const auto cell = [=](const LayerResult& layer) {
    const auto& permuted = (layer.*figure).permuted;
    return Cell(p_value(layer.*figure), permuted && permuted->p_value <= 0.05 ? Ink::kAccent : Ink::kPlain);
  };
  return {{"p", Align::kRight}, cell, nullptr};
}

std::optional<double> layer_silhouette(const LayerResult& layer) {
  double sum = 0;
  int count = 0;
  for (const auto& domain : layer.silhouette) {
    if (!domain.value) continue;
    sum += *domain.value;
    ++count;
  }
  return count > 0 ? std::optional(sum / count) : std::nullopt;
}

std::string committee_legend(const AuditResult& result) {
  std::string legend = fmt::format(
      "core: in the top {} of at least {:.0f}% of the domains. committee: its Pareto front by mean and "
      "variance of "
      "rank. top k, all: the committee's share of the top-{} and of the whole mass. ▒ up to the floor, what "
      "as many "
      "equal members of one shared top {} take; █ beyond.",
      result.k, result.options.gamma * 100, result.k, result.k);
  if (any_layer(result, [](const LayerResult& layer) { return layer.stable.has_value(); })) {
    legend += " * stable: in at least 95% of the bootstrap committees.";
  }
  if (any_layer(result, [](const LayerResult& layer) { return layer.by_fallback; })) {
    legend += " † no candidate: the experts of maximal presence.";
  }
  return legend;
}

}  // namespace

std::string committee_section(const AuditResult& result, const TerminalStyle& style) {
  const bool verdicts = overview(result).has_verdicts;
  // What the other columns and the gaps take; the sets and the bar share the rest.
  const int fixed = 2 + 5 + (verdicts ? 14 : 0) + 4 + 2 + 8 + 8 + 8;
  const int most = std::clamp((style.width - fixed - 10) / 2, 9, 26);
  const int committee = set_width(result, &LayerResult::committee, most);
  const int core = set_width(result, &LayerResult::core, most);
  const int bar = std::clamp(style.width - fixed - committee - core, 8, 30);

  std::vector<LayerColumn> columns;
  if (verdicts) columns.push_back({{"verdict", Align::kLeft}, verdict_cell, nullptr});
  columns.push_back(set_column("committee", &LayerResult::committee, committee, Ink::kAccent));
  columns.push_back(set_column("core", &LayerResult::core, core, Ink::kPlain));
  columns.push_back(bar_column(fmt::format("share of the top-{} mass", result.k), bar));
  columns.push_back(number_column("top k", &LayerResult::coverage_topk, percent));
  columns.push_back(number_column(
      "floor", [](const LayerResult& layer) { return layer.coverage_topk.floor; }, percent));
  columns.push_back(number_column("all", &LayerResult::coverage_full, percent));
  return heading("Committees by layer", style) + layer_table(result, columns, style) +
         paragraph(committee_legend(result), "  ", style, Ink::kDim);
}

std::string sharing_section(const AuditResult& result, const TerminalStyle& style) {
  const bool permuted =
      any_layer(result, [](const LayerResult& layer) { return layer.jaccard_mean.permuted.has_value(); });
  const bool r2_permuted =
      any_layer(result, [](const LayerResult& layer) { return layer.r2.permuted.has_value(); });
  const bool roomy = style.width >= 95;  // else without the columns that are elsewhere or follow from others
  std::vector<LayerColumn> columns;
  columns.push_back(number_column("Jaccard", &LayerResult::jaccard_mean, three_decimals));
  if (roomy) {
    columns.push_back(number_column(
        "chance", [](const LayerResult& layer) { return layer.chance; }, two_decimals));
  }
  if (permuted) {
    columns.push_back(shuffled_column(&LayerResult::jaccard_mean));
    columns.push_back(p_column(&LayerResult::jaccard_mean));
  }
  columns.push_back(number_column("Gini k", &LayerResult::gini_topk, three_decimals));
  columns.push_back(number_column(
      "floor", [](const LayerResult& layer) { return layer.gini_topk.floor; }, three_decimals));
  columns.push_back(number_column("Gini all", &LayerResult::gini_full, three_decimals));
  if (roomy) columns.push_back(number_column("used", &LayerResult::used_experts, no_decimals));
  columns.push_back(number_column("R²", &LayerResult::r2, three_decimals));
  if (r2_permuted) columns.push_back(p_column(&LayerResult::r2));
  if (roomy) columns.push_back(number_column("silh.", layer_silhouette, three_decimals));

  std::string legend = fmt::format(
      "Jaccard: of two domains' top-{} sets, mean over pairs; chance: of random sets. Gini k, all: over the "
      "top-{} and "
      "the whole mass; floor: 1 - used/{}. R²: the variance of routing that domain explains. silh.: mean "
      "silhouette "
      "of the domains.",
      result.k, result.k, result.model.experts);
  if (permuted) legend += " shuffled (95% of the values), p: with domain labels permuted among the samples.";
  std::string lead = sharing_sentence(result);
  if (const auto more = concentration_sentence(result); !more.empty())
    lead += (lead.empty() ? "" : " ") + more;
  return heading("What domains share, and how concentrated routing is", style) +
         paragraph(printable(lead), "  ", style) + "\n" + layer_table(result, columns, style) +
         paragraph(legend, "  ", style, Ink::kDim);
}

}  // namespace committee::report
