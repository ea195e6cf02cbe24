#include "report/html.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "report/audit_files.h"
#include "report/html_page.h"
#include "report/html_sections.h"
#include "report/json_writer.h"
#include "report/narrative.h"

namespace committee::report {

namespace {

using audit::AuditResult;

// More bytes of tables than this would make a page of 10 MB: then the largest go into it without their
// baselines.
constexpr size_t kMostTableBytes = 16'000'000;

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

}  // namespace

std::string html_report(const AuditResult& result, const HtmlContext& context) {
  const std::string name = result.model.name.empty() ? "an unnamed model" : result.model.name;
  HtmlPage page{"Committee audit of " + name, subject_lines(result), html_sections(result, context.command),
                page_facts(result), page_tables(result)};
  const auto before = [&] {  // the warnings, or else how it was made
    return std::find_if(page.sections.begin(), page.sections.end(), [](const HtmlSection& section) {
      return section.id == "warnings" || section.id == "making";
    });
  };
  for (const Findings& findings : context.findings) {
    page.sections.insert(before(), findings_section(findings));
    for (const CsvFile& table : findings.tables) page.tables.push_back({table});
  }
  return html_page(page);
}

}  // namespace committee::report
