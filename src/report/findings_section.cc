#include <fmt/format.h>

#include "report/findings.h"
#include "report/html_page.h"
#include "report/html_text.h"

namespace committee::report {

namespace {

std::string sentences_html(const Findings& findings) {
  std::string html;
  for (const auto& sentence : findings.sentences) html += "<p>" + escaped(sentence) + "</p>\n";
  return html;
}

// What is not on the page, and how the folder was made.
std::string footing(const Findings& findings) {
  std::string html;
  for (const auto& name : findings.left_out)
    html += "<p class=\"note\">" + escaped(name) +
            " is too large for this page and lies in the folder only.</p>\n";
  if (!findings.command.empty())
    html += "<p class=\"note\"><code>" + escaped(findings.command) + "</code></p>\n";
  return html;
}

std::string chart(const Findings& findings, const char* table, const char* name, const char* title,
                  const std::string& description, const std::string& data = "") {
  if (!findings.table(table)) return "";
  return fmt::format("<figure><figcaption>{}</figcaption>{}</figure>\n", title,
                     chart_box(name, title, description, data));
}

std::string by_layer(const Findings& findings, const char* table, const char* figure, const char* title,
                     const char* floor = "") {
  return chart(
      findings, table, "figure", title, fmt::format("{} by layer.", title),
      fmt::format(" data-table=\"{0}\" data-figure=\"{1}\" data-floor=\"{2}\" data-permuted=\"{1}_\"", table,
                  figure, *floor ? floor : fmt::format("{}_floor", figure)));
}

std::string measure(const Findings& findings, const char* figure, const char* title) {
  return chart(findings, "masking.csv", "masking", title,
               fmt::format("{} of every set by layer; the table masking.csv has the numbers.", title),
               fmt::format(" data-figure=\"{}\"", figure));
}

HtmlSection mask_section(const Findings& findings) {
  std::string html = sentences_html(findings);
  html += chart(
      findings, "masking.csv", "outcomes", "Outcomes",
      "Shares of correct, wrong and missing answers: the plain model, each set, the mean of its controls.");
  html +=
      "<p class=\"legend\"><span class=\"swatch value\"></span>the set, <span class=\"swatch "
      "permuted\"></span>sets of "
      "matched frequency, <span class=\"swatch grey\"></span>random sets, <span class=\"swatch "
      "floor\"></span>the plain "
      "model</p>\n<div class=\"multiples\">\n";
  html += measure(findings, "letter_accuracy", "Letter accuracy");
  html += measure(findings, "answer_logprob", "Log-probability of the right letter");
  html += measure(findings, "kl", "KL divergence from the plain model");
  return {"mask", "Interventions", "Without these experts", html + "</div>\n" + footing(findings)};
}

HtmlSection sweep_section(const Findings& findings) {
  std::string html = sentences_html(findings) + "<div class=\"multiples\">\n";
  html += chart(findings, "sweep.csv", "sweep", "Retention of the committee",
                "Share of the committee that other budgets keep, mean over layers, by budget.",
                " data-figure=\"retention\"");
  html += chart(findings, "sweep.csv", "sweep", "Committee size",
                "Size of the committee, mean over layers, by budget.", " data-figure=\"size\"");
  html += chart(findings, "sweep.csv", "sweep", "Committee's share of the top-k mass",
                "Coverage of the committee, mean over layers, by budget.", " data-figure=\"coverage_topk\"");
  return {"sweep", "Budgets", "Other routing budgets", html + "</div>\n" + footing(findings)};
}

HtmlSection roles_section(const Findings& findings) {
  std::string html = sentences_html(findings);
  html += chart(findings, "roles.csv", "roles", "Tokens that the experts serve",
                "The most frequent token and expert pairs of every layer that was looked at; the table "
                "roles.csv has all.");
  html += chart(
      findings, "enrichment.csv", "enrichment", "Core and periphery",
      "Log odds of domains and token classes among the slots of every expert, where they are beyond chance.");
  return {"roles", "Roles", "Which tokens they serve", html + footing(findings)};
}

HtmlSection balance_section(const Findings& findings) {
  std::string html = sentences_html(findings) + "<div class=\"multiples\">\n";
  html += by_layer(findings, "balance.csv", "balance_loss", "Load-balancing loss (1: even)");
  html += by_layer(findings, "balance.csv", "balance_loss_within_domain", "The same within domains");
  html += by_layer(findings, "balance.csv", "slots_moved", "Share of slots that balance moves");
  html += by_layer(findings, "balance.csv", "mass_lost", "Routing mass that balance loses");
  return {"balance", "Balance", "What balance would cost", html + "</div>\n" + footing(findings)};
}

}  // namespace

HtmlSection findings_section(const Findings& findings) {
  if (findings.kind == "mask") return mask_section(findings);
  if (findings.kind == "sweep") return sweep_section(findings);
  if (findings.kind == "roles") return roles_section(findings);
  return balance_section(findings);
}

}  // namespace committee::report
