#pragma once

#include <string>
#include <vector>

#include "audit/result.h"
#include "report/findings.h"

namespace committee::report {

// What a page says about its making beside what the audit itself holds.
struct HtmlContext {
  std::string command;                  // the command line; empty: not said
  std::vector<Findings> findings = {};  // of other commands on the same model
};

// The audit as one HTML page that needs nothing else: no request leaves it. Charts are drawn from the same
// CSV tables that `write_audit` writes; the page holds them compressed and gives them out for download.
std::string html_report(const audit::AuditResult& result, const HtmlContext& context);

}  // namespace committee::report
