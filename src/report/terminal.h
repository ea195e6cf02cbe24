#pragma once

#include <span>
#include <string>

#include "audit/result.h"

namespace committee::report {

inline constexpr int kLeastWidth = 80;  // columns that the tables need

struct TerminalStyle {
  bool colour = false;  // ANSI sequences
  int width = 100;      // columns; fewer than kLeastWidth are taken as that
};

// What a person wants first, as text: the answer in plain words, committees beside their floors by layer,
// sharing and concentration by layer, load, domains, warnings with their evidence.
std::string terminal_report(const audit::AuditResult& result, const TerminalStyle& style);

struct LabelledAudit {
  std::string label;  // "last token"
  audit::AuditResult result;
};

// Audits side by side, a column each: sizes, coverage, sharing, concentration, specificity beside their
// floors.
std::string terminal_comparison(std::span<const LabelledAudit> audits, const TerminalStyle& style);

}  // namespace committee::report
