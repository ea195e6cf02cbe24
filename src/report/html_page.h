#pragma once

#include <string>
#include <vector>

#include "report/audit_files.h"
#include "report/html_sections.h"

// The page that every HTML report is: sections of text, charts drawn from tables, the tables for download.
namespace committee::report {

struct PageTable {
  CsvFile file;
  bool shortened = false;  // without its columns of baselines
};

struct HtmlPage {
  std::string title;               // plain text
  std::vector<std::string> lines;  // below it
  std::vector<HtmlSection> sections;
  std::string facts;  // JSON: what the charts need beside the tables
  std::vector<PageTable> tables;
};

// One file that needs nothing else: no request leaves it.
std::string html_page(const HtmlPage& page);

// A place for a chart of charts/NAME.json. `data` are further attributes: its columns and filters.
std::string chart_box(const std::string& chart, const std::string& title, const std::string& description,
                      const std::string& data = "");
// The section of the downloads, which every page ends with.
HtmlSection tables_section();

}  // namespace committee::report
