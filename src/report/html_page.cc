#include "report/html_page.h"

#include <fmt/format.h>

#include "report/assets.h"
#include "report/html_text.h"

namespace committee::report {

namespace {

// The page can ask nobody for anything, whatever the data in it say.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'";

std::string data_blocks(const HtmlPage& page) {
  std::string html =
      fmt::format("<script type=\"application/json\" id=\"facts\">{}</script>\n", json_in_script(page.facts));
  for (const auto& [name, text] : assets()) {
    if (!name.starts_with("charts/")) continue;
    html += fmt::format("<script type=\"application/json\" class=\"spec\" data-name=\"{}\">{}</script>\n",
                        name.substr(7, name.size() - 12), json_in_script(text));
  }
  for (const auto& [file, shortened] : page.tables) {
    html += fmt::format(
        "<script type=\"text/plain\" class=\"table\" data-name=\"{}\" data-bytes=\"{}\"{}>{}</script>\n",
        file.name, file.text.size(), shortened ? " data-shortened" : "", packed(file.text));
  }
  return html;
}

}  // namespace

std::string html_page(const HtmlPage& page) {
  const std::string title = escaped(page.title);
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n"
      "<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n"
      "<a class=\"skip\" href=\"#main\">Skip to the answer</a>\n<header>\n<h1>{}</h1>\n",
      kPolicy, title, asset("page.css"), title);
  for (const auto& line : page.lines) html += fmt::format("<p>{}</p>\n", escaped(line));
  html += "</header>\n<nav aria-label=\"Sections\"><ul>\n";
  for (const auto& section : page.sections) {
    html += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", section.id, escaped(section.short_title));
  }
  html +=
      "</ul></nav>\n<main id=\"main\" tabindex=\"-1\">\n<noscript><p class=\"note\">The charts need "
      "JavaScript; the text "
      "and the tables do not.</p></noscript>\n";
  for (const auto& section : page.sections) {
    html += fmt::format("<section id=\"{0}\" aria-labelledby=\"{0}-title\">\n<h2 id=\"{0}-title\">{1}</h2>\n",
                        section.id, escaped(section.title));
    html += section.html;
    html += "</section>\n";
  }
  html += "</main>\n" + data_blocks(page);
  html += "<script>\n";
  html += asset("vega.js");
  html += "</script>\n<script>\n";
  html += asset("page.js");
  return html + "</script>\n</body>\n</html>\n";
}

std::string chart_box(const std::string& chart, const std::string& title, const std::string& description,
                      const std::string& data) {
  return fmt::format(
      "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Chart: {0}\"><div class=\"chart\" "
      "data-chart=\"{1}\"{3} role=\"img\" aria-label=\"{2}\"></div></div>\n",
      escaped(title), chart, escaped(description), data);
}

HtmlSection tables_section() {
  return {"tables", "Tables", "All tables",
          "<p>Every number of this page, as the CSV files that stand beside its JSON file.</p>\n"
          "<ul class=\"downloads\" id=\"downloads\"></ul>\n"};
}

}  // namespace committee::report
