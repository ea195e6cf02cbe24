#include "report/html.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "report/assets.h"
#include "report/audit_files.h"
#include "report/html_sections.h"
#include "report/html_text.h"
#include "report/json_writer.h"
#include "report/narrative.h"

namespace committee::report {

namespace {

using audit::AuditResult;

// The page can ask nobody for anything, whatever the data in it say.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'";

// More bytes of tables than this would make a page of 10 MB: then the largest go into it without their
// baselines.
constexpr size_t kMostTableBytes = 16'000'000;

struct PageTable {
  CsvFile file;
  bool shortened = false;
};

std::vector<PageTable> page_tables(const AuditResult& result) {
  std::vector<PageTable> tables;
  size_t bytes = 0;
  for (auto& file : audit_csv(result)) {
    bytes += file.text.size();
    tables.push_back({std::move(file)});
  }
  for (const auto& [name, csv] : {std::pair("contributions.csv", &contributions_csv),
                                  std::pair("jaccard_pairs.csv", &jaccard_pairs_csv)}) {
    for (auto& [file, shortened] : tables) {
      if (file.name != name || bytes <= kMostTableBytes) continue;
      bytes -= file.text.size();
      file.text = csv(result, Baselines::kLeftOut);
      bytes += file.text.size();
      shortened = true;
    }
  }
  return tables;
}

// What the charts need beside the tables.
std::string page_facts(const AuditResult& result) {
  JsonWriter out(0);
  out.begin_object();
  out.member("k", result.k);
  out.member("experts", result.model.experts);
  out.key("layers");
  out.begin_array();
  for (const auto& layer : result.layers) out.value(layer.layer);
  out.end_array();
  out.key("stable");
  out.begin_array();
  for (const auto& layer : result.layers) out.value(layer.stable.value_or(std::vector<int>()));
  out.end_array();
  out.end_object();
  return out.text();
}

std::string data_blocks(const AuditResult& result) {
  std::string html = fmt::format("<script type=\"application/json\" id=\"facts\">{}</script>\n",
                                 json_in_script(page_facts(result)));
  for (const auto& [name, text] : assets()) {
    if (!name.starts_with("charts/")) continue;
    html += fmt::format("<script type=\"application/json\" class=\"spec\" data-name=\"{}\">{}</script>\n",
                        name.substr(7, name.size() - 12), json_in_script(text));
  }
  for (const auto& [file, shortened] : page_tables(result)) {
    html += fmt::format(
        "<script type=\"text/plain\" class=\"table\" data-name=\"{}\" data-bytes=\"{}\"{}>{}</script>\n",
        file.name, file.text.size(), shortened ? " data-shortened" : "", packed(file.text));
  }
  return html;
}

}  // namespace

std::string html_report(const AuditResult& result, const HtmlContext& context) {
  const std::string name = escaped(result.model.name.empty() ? "an unnamed model" : result.model.name);
  const auto sections = html_sections(result, context.command);
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n"
      "<title>Committee audit of {}</title>\n<style>\n{}</style>\n</head>\n<body>\n"
      "<a class=\"skip\" href=\"#main\">Skip to the answer</a>\n<header>\n<h1>Committee audit of {}</h1>\n",
      kPolicy, name, asset("page.css"), name);
  for (const auto& line : subject_lines(result)) html += fmt::format("<p>{}</p>\n", escaped(line));
  html += "</header>\n<nav aria-label=\"Sections\"><ul>\n";
  for (const auto& section : sections) {
    html += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", section.id, escaped(section.short_title));
  }
  html +=
      "</ul></nav>\n<main id=\"main\" tabindex=\"-1\">\n<noscript><p class=\"note\">The charts need "
      "JavaScript; the text "
      "and the tables do not.</p></noscript>\n";
  for (const auto& section : sections) {
    html += fmt::format("<section id=\"{0}\" aria-labelledby=\"{0}-title\">\n<h2 id=\"{0}-title\">{1}</h2>\n",
                        section.id, escaped(section.title));
    html += section.html;
    html += "</section>\n";
  }
  html += "</main>\n" + data_blocks(result);
  html += "<script>\n";
  html += asset("vega.js");
  html += "</script>\n<script>\n";
  html += asset("page.js");
  return html + "</script>\n</body>\n</html>\n";
}

}  // namespace committee::report
