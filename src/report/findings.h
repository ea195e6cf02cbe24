#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "audit/result.h"
#include "report/audit_files.h"
#include "report/html_sections.h"

namespace committee::report {

// A folder that `mask`, `sweep`, `roles` or `balance` left, to be shown on the page of an audit of the same
// model.
struct Findings {
  std::string kind;  // mask, sweep, roles or balance
  std::string model, fingerprint, command;
  std::vector<std::string> sentences;
  std::vector<CsvFile> tables;
  std::vector<std::string> left_out;  // files too large for a page

  const CsvFile* table(const std::string& name) const;  // nullptr where there is none
};

// Throws Error, naming the folder, where it is none of these, or not finished.
Findings read_findings(const std::filesystem::path& folder);

// Throws Error where the findings are about another model than the audit.
void check_same_model(const Findings& findings, const audit::AuditResult& result,
                      const std::filesystem::path& folder);

HtmlSection findings_section(const Findings& findings);

}  // namespace committee::report
