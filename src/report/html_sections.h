#pragma once

#include <string>
#include <vector>

#include "audit/result.h"

// The sections of the HTML report: each a whole <section>, or nothing where the audit has nothing to show.
namespace committee::report {

struct HtmlSection {
  std::string id, short_title, title;
  std::string html;  // what stands below the heading
};

std::vector<HtmlSection> html_sections(const audit::AuditResult& result, const std::string& command);

// One chart of a figure by layer, with its summary in words; empty where no layer has a value. `table` is the
// CSV file that holds it, `name` its column there, `floor` and `permuted` the columns of its baselines
// ("" for NAME_floor, NAME_permuted_mean, …).
struct FigureChart {
  const char *table, *name, *title;
  audit::Figure audit::LayerResult::*figure;
  const char* floor = "";
  bool bare_permuted = false;  // permuted_mean, …, p_value without the figure's name
};
std::string figure_chart(const audit::AuditResult& result, const FigureChart& chart);

}  // namespace committee::report
