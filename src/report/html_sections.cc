#include "report/html_sections.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/version.h"
#include "report/figures.h"
#include "report/html_page.h"
#include "report/html_text.h"
#include "report/layer_table.h"
#include "report/narrative.h"
#include "report/overview.h"

namespace committee::report {

namespace {

using audit::AuditResult;
using audit::LayerResult;

std::string paragraph_html(const std::string& text, const char* kind = "") {
  if (text.empty()) return "";
  return fmt::format("<p{}>{}</p>\n", *kind ? fmt::format(" class=\"{}\"", kind) : "", escaped(text));
}

std::string tile(const std::string& name, std::optional<double> value, const std::string& shown,
                 const std::string& beside) {
  if (!value) return "";
  return fmt::format("<div><dt>{}</dt><dd><b data-value=\"{}\">{}</b><small>{}</small></dd></div>\n",
                     escaped(name), *value, escaped(shown), escaped(beside));
}

std::string beside(const char* what, const std::string& shown) {
  return shown == "–" ? "" : what + (" " + shown);
}

HtmlSection answer_section(const AuditResult& result) {
  const Overview view = overview(result);
  auto sentences = answer(result);
  std::string html;
  if (!result.verdict.reason.empty()) {
    html += fmt::format("<p class=\"verdict {}\">{}</p>\n", name_of(result.verdict.verdict),
                        escaped(sentences[0]));
    sentences.erase(sentences.begin());
  }
  for (const auto& sentence : sentences) html += paragraph_html(sentence);
  html += "<dl class=\"tiles\">\n";
  std::string committees = view.has_verdicts ? fmt::format("beyond chance: {}", view.beyond_chance) : "";
  if (view.with_core != view.with_committee)
    committees += fmt::format("{}with a core: {}", committees.empty() ? "" : ", ", view.with_core);
  html += tile("layers where the rule finds a committee", view.with_committee,
               fmt::format("{} of {}", view.with_committee, view.layers), committees);
  html += tile(fmt::format("share of the top-{} mass", result.k), view.coverage, percent(view.coverage),
               beside("arithmetic:", percent(view.coverage_floor)));
  html += tile("Jaccard of two domains", view.jaccard, decimals(view.jaccard, 3),
               beside("chance:", decimals(view.chance, 3)) +
                   (view.jaccard_permuted ? ", shuffled: " + decimals(view.jaccard_permuted, 3) : ""));
  html += tile(fmt::format("Gini of the top-{} mass", result.k), view.gini_topk, decimals(view.gini_topk, 3),
               beside("floor:", decimals(view.gini_floor, 3)));
  html += tile("variance that domain explains", view.r2, percent(view.r2),
               beside("shuffled:", percent(view.r2_permuted)));
  html += tile("mean silhouette", view.silhouette, decimals(view.silhouette, 3), "0: domains mix");
  return {"answer", "Answer", "The answer", html + "</dl>\n"};
}

HtmlSection figures_section(const AuditResult& result) {
  const FigureChart charts[] = {
      {"committees.csv", "coverage_topk", "Committee's share of the top-k mass", &LayerResult::coverage_topk},
      {"committees.csv", "coverage_full", "Committee's share of the whole mass", &LayerResult::coverage_full},
      {"committees.csv", "size", "Committee size", &LayerResult::size},
      {"committees.csv", "core_size", "Core size", &LayerResult::core_size},
      {"committees.csv", "ratio_topk", "Influence density ratio, top k", &LayerResult::ratio_topk},
      {"sharing.csv", "jaccard_mean", "Jaccard of the domains' top-k sets", &LayerResult::jaccard_mean,
       "chance", true},
      {"concentration.csv", "gini_topk", "Gini of the top-k mass", &LayerResult::gini_topk, "gini_floor"},
      {"concentration.csv", "gini_full", "Gini of the whole mass", &LayerResult::gini_full},
      {"concentration.csv", "used_experts", "Experts in any domain's top k", &LayerResult::used_experts},
  };
  std::string html =
      paragraph_html(sharing_sentence(result)) + paragraph_html(concentration_sentence(result));
  html += "<p class=\"legend\"><span class=\"swatch value\"></span>value";
  const auto any = [&](bool (*holds)(const LayerResult&)) {
    return std::any_of(result.layers.begin(), result.layers.end(), holds);
  };
  if (any([](const LayerResult& layer) { return layer.coverage_topk.bootstrap.has_value(); })) {
    html += ", <span class=\"swatch interval\"></span>its 95% bootstrap interval";
  }
  html += ", <span class=\"swatch floor\"></span>floor: what arithmetic or chance gives";
  if (any([](const LayerResult& layer) { return layer.jaccard_mean.permuted.has_value(); })) {
    html += ", <span class=\"swatch permuted\"></span>with domain labels shuffled (95%)";
  }
  html += "</p>\n<div class=\"multiples\">\n";
  for (const auto& chart : charts) html += figure_chart(result, chart);
  return {"figures", "Figures", "Figures beside their floors", html + "</div>\n"};
}

std::string ids(const std::vector<int>& set, const std::vector<int>& stable) {
  if (set.empty()) return "–";
  std::string text;
  for (const int id : set) {
    const bool is_stable = std::find(stable.begin(), stable.end(), id) != stable.end();
    text += (text.empty() ? "" : " ") + std::to_string(id) + (is_stable ? "*" : "");
  }
  return text;
}

// The committees in numbers: what the map shows, for reading and for screen readers.
std::string committee_rows(const AuditResult& result) {
  const bool verdicts = overview(result).has_verdicts;
  std::string html =
      "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Committees by layer\">"
      "<table id=\"committees\"><thead><tr><th scope=\"col\">layer</th>";
  if (verdicts) html += "<th scope=\"col\">verdict</th>";
  html +=
      "<th scope=\"col\">committee</th><th scope=\"col\">core</th><th scope=\"col\">share of the top k</th>"
      "<th scope=\"col\">floor</th><th scope=\"col\">of all</th><th scope=\"col\">ratio, top "
      "k</th></tr></thead><tbody>\n";
  const auto number = [](std::optional<double> value, const std::string& shown) {
    return value ? number_cell(shown, *value) : "<td class=\"number\">–</td>";
  };
  for (const auto& layer : result.layers) {
    const auto stable = layer.stable.value_or(std::vector<int>());
    html += fmt::format("<tr><th scope=\"row\">{}</th>", layer.layer);
    if (verdicts) {
      html += fmt::format("<td class=\"{0}\" title=\"{1}\">{0}</td>", name_of(layer.verdict.verdict),
                          escaped(layer.verdict.reason));
    }
    html +=
        cell(ids(layer.committee, stable) + (layer.by_fallback ? " †" : "")) + cell(ids(layer.core, stable));
    html += number(layer.coverage_topk.value, percent(layer.coverage_topk.value));
    html += number(layer.coverage_topk.floor, percent(layer.coverage_topk.floor));
    html += number(layer.coverage_full.value, percent(layer.coverage_full.value));
    html += number(layer.ratio_topk.value, decimals(layer.ratio_topk.value, 1)) + "</tr>\n";
  }
  html += "</tbody></table></div>\n";
  if (std::any_of(result.layers.begin(), result.layers.end(),
                  [](const auto& l) { return l.stable.has_value(); })) {
    html += "<p class=\"note\">* stable: in at least 95% of the bootstrap committees.</p>\n";
  }
  if (std::any_of(result.layers.begin(), result.layers.end(), [](const auto& l) { return l.by_fallback; })) {
    html += "<p class=\"note\">† no candidate: the experts of maximal presence.</p>\n";
  }
  return html;
}

HtmlSection map_section(const AuditResult& result) {
  std::string html = fmt::format(
      "<p class=\"legend\"><span class=\"swatch front\"></span>committee (the Pareto front), <span "
      "class=\"swatch core\"></span>"
      "core only (in the top {} of at least {:.0f}% of the domains), <span class=\"swatch grey\"></span>the "
      "darker, the "
      "larger the contribution",
      result.k, result.options.gamma * 100);
  if (std::any_of(result.layers.begin(), result.layers.end(),
                  [](const auto& l) { return l.stable.has_value(); })) {
    html += ", <span class=\"swatch stable\"></span>stable";
  }
  html += "</p>\n" +
          chart_box("committee_map", "Committee map",
                    "Map of experts by layer: committee and core. The table below has the same sets.") +
          committee_rows(result);
  return {"map", "Map", "Committee map", html};
}

// The control that all charts of one layer share.
std::string layer_slider(const AuditResult& result, const char* id) {
  if (result.layers.size() < 2) return "";
  return fmt::format(
      "<p class=\"slider\"><label for=\"{0}\">Layer <output>{1}</output></label><input type=\"range\" "
      "id=\"{0}\" class=\"layer\" min=\"0\" max=\"{2}\" value=\"0\" step=\"1\" aria-valuetext=\"layer "
      "{1}\"></p>\n",
      id, result.layers.front().layer, result.layers.size() - 1);
}

HtmlSection contributions_section(const AuditResult& result) {
  return {"contributions", "Contributions", "Contribution by domain",
          layer_slider(result, "slider-contributions") +
              chart_box("contributions", "contributions",
                        "Contribution of every expert in every domain at the chosen layer.") +
              fmt::format("<p class=\"note\">A dot: the expert is in the domain's top {}.</p>\n", result.k)};
}

HtmlSection jaccard_section(const AuditResult& result) {
  if (result.domains.size() < 2) return {};
  return {"jaccard", "Sharing", "Which domains share experts",
          layer_slider(result, "slider-jaccard") +
              chart_box("jaccard", "Jaccard",
                        "Jaccard of the top-k sets of every two domains at the chosen layer.")};
}

HtmlSection lorenz_section(const AuditResult& result) {
  if (std::all_of(result.layers.begin(), result.layers.end(), [](const auto& l) { return l.lorenz.empty(); }))
    return {};
  return {
      "lorenz", "Concentration", "Concentration of contributions",
      layer_slider(result, "slider-lorenz") +
          chart_box("lorenz", "Lorenz curves",
                    "Lorenz curve of the chosen layer beside those of k equal experts and of all equal.")};
}

HtmlSection specificity_section(const AuditResult& result) {
  const Overview view = overview(result);
  std::string html;
  if (view.silhouette) {
    html +=
        paragraph_html(fmt::format("Silhouettes say how far the samples of a domain keep together in "
                                   "routing: 1 apart from all others, 0 mixed, "
                                   "below 0 nearer to another domain. Mean over domains and layers: {}.",
                                   decimals(view.silhouette, 3)));
    html += chart_box("silhouette", "silhouettes", "Silhouette of every domain at every layer.");
  }
  html += "<div class=\"multiples\">\n";
  html +=
      figure_chart(result, {"variance.csv", "r2", "Variance that domain explains (R²)", &LayerResult::r2});
  html += figure_chart(result, {"variance.csv", "r2_nested", "Variance of the finer level within domains",
                                &LayerResult::r2_nested});
  html += "</div>\n";
  if (!view.silhouette && !view.r2) return {};
  return {"specificity", "Domains", "Do domains route apart?", html};
}

HtmlSection load_section(const AuditResult& result) {
  const FigureChart charts[] = {
      {"load.csv", "routing_entropy", "Entropy of a token's routing (1: even)",
       &LayerResult::routing_entropy},
      {"load.csv", "load_entropy", "Entropy of the load (1: even)", &LayerResult::load_entropy},
      {"load.csv", "effective_experts", "Effective number of experts", &LayerResult::effective_experts},
      {"load.csv", "max_over_mean", "Load of the busiest over the mean", &LayerResult::max_over_mean},
      {"load.csv", "unused", "Experts never executed", &LayerResult::unused},
  };
  std::string html;
  for (const auto& chart : charts) html += figure_chart(result, chart);
  if (html.empty()) return {};
  return {"load", "Load", "Load", "<div class=\"multiples\">\n" + html + "</div>\n"};
}

HtmlSection shuffle_section(const AuditResult& result) {
  const auto rate = extremes(result, [](const LayerResult& layer) {
    return layer.shuffle ? std::optional(layer.shuffle->committee_rate) : std::nullopt;
  });
  if (!rate.mean) return {};
  return {"shuffle", "False alarms", "Where no committee can be",
          paragraph_html(fmt::format("With every sample's expert ids shuffled, {} times, the same rules "
                                     "still find a committee in {} of the "
                                     "cases (over layers from {} to {}): their rate of false alarms.",
                                     result.options.expert_shuffles, percent(rate.mean), percent(rate.min),
                                     percent(rate.max)))};
}

HtmlSection warnings_section(const AuditResult& result) {
  if (result.warnings.empty()) return {};
  std::string html = "<ul class=\"warnings\">\n";
  for (const auto& warning : result.warnings) {
    const std::string evidence = warning.evidence.dump(1, ' ', false, Json::error_handler_t::replace);
    html += fmt::format(
        "<li id=\"warning-{0}\"><p>{1}</p><details><summary>Evidence ({0})</summary><pre "
        "tabindex=\"0\">{2}</pre></details></li>\n",
        escaped(warning.code), escaped(warning.message), escaped(evidence));
  }
  return {"warnings", "Warnings", "Warnings", html + "</ul>\n"};
}

std::string row(const char* name, const std::string& value) {
  return value.empty() ? "" : fmt::format("<tr><th scope=\"row\">{}</th>{}</tr>\n", name, cell(value));
}

HtmlSection making_section(const AuditResult& result, const std::string& command) {
  const auto& model = result.model;
  const auto& recording = result.recording;
  const auto& options = result.options;
  std::string html =
      "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"How it was made\"><table "
      "class=\"making\"><tbody>\n";
  html += row("model", model.name) + row("type", model.model_type) + row("fingerprint", model.fingerprint);
  html += row("shape", fmt::format("{} MoE layers, {} experts, {} a token, {} shared; router {}",
                                   model.moe_layers.size(), model.experts, model.top_k, model.shared_experts,
                                   model.router_score));
  html += row("data", recording.dataset) + row("template", recording.prompt_template);
  html += row("recorded by", recording.source) + row("positions", positions_in_words(result.positions));
  for (const auto& [name, value] : recording.options)
    html += row(escaped("recording: " + name).c_str(), value);
  html += row("samples, rows",
              fmt::format("{}, {}", grouped_digits(result.samples), grouped_digits(result.rows)));
  html += row("contribution", fmt::format("--eci {}, k {}, gamma {}, fallback {}", name_of(options.eci),
                                          result.k, options.gamma, name_of(options.fallback)));
  if (options.min_specificity) html += row("least specificity", fmt::format("{}", *options.min_specificity));
  html += row("grouped by", options.group_by.empty() ? "the recorded domain" : options.group_by);
  html += row("replicates",
              fmt::format("bootstrap {}, permutations {}, expert shuffles {}, seed {}", options.bootstrap,
                          options.permutations, options.expert_shuffles, options.seed));
  html += row("program", std::string("committee-audit ") + kVersion) + row("command", command);
  return {"making", "Making", "How it was made", html + "</tbody></table></div>\n"};
}

}  // namespace

std::string figure_chart(const AuditResult& result, const FigureChart& chart) {
  const auto found = extremes(result, [&](const LayerResult& layer) { return (layer.*chart.figure).value; });
  if (!found.mean) return "";
  const auto floor = extremes(result, [&](const LayerResult& layer) { return (layer.*chart.figure).floor; });
  std::string words = fmt::format("{:.3g} to {:.3g}, mean {:.3g}", *found.min, *found.max, *found.mean);
  if (floor.mean)
    words += *floor.mean > 0 && *floor.mean < 0.001 ? "; floor below 0.001"
                                                    : fmt::format("; floor {:.3g}", *floor.mean);
  return fmt::format(
      "<figure><figcaption>{0}<small>{1}</small></figcaption><div class=\"chart\" data-chart=\"figure\" "
      "data-table=\"{2}\" "
      "data-figure=\"{3}\" data-floor=\"{4}\" data-permuted=\"{5}\" role=\"img\" aria-label=\"{0} by layer: "
      "{1}\"></div></figure>\n",
      chart.title, words, chart.table, chart.name,
      *chart.floor ? chart.floor : fmt::format("{}_floor", chart.name),
      chart.bare_permuted ? "" : fmt::format("{}_", chart.name));
}

std::vector<HtmlSection> html_sections(const AuditResult& result, const std::string& command) {
  std::vector<HtmlSection> all;
  if (!result.layers.empty()) {
    all = {answer_section(result),        figures_section(result), map_section(result),
           contributions_section(result), jaccard_section(result), lorenz_section(result),
           specificity_section(result),   load_section(result),    shuffle_section(result)};
  }
  all.push_back(warnings_section(result));
  all.push_back(making_section(result, command));
  all.push_back(tables_section());
  std::erase_if(all, [](const HtmlSection& section) { return section.id.empty(); });
  return all;
}

}  // namespace committee::report
