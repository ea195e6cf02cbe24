#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "audit/result.h"
#include "report/terminal_table.h"

// Tables of a terminal report with a row a layer, and beneath a rule the greatest, least and mean values.
namespace committee::report {

using Show = std::string (*)(std::optional<double>);
using LayerValue = std::function<std::optional<double>(const audit::LayerResult&)>;

struct LayerColumn {
  TerminalTable::Column head;
  std::function<Cell(const audit::LayerResult&)> cell;
  LayerValue value;  // empty: nothing beneath the rule
  Show show = nullptr;
};

LayerColumn number_column(const std::string& title, LayerValue value, Show show);
LayerColumn number_column(const std::string& title, audit::Figure audit::LayerResult::*figure, Show show);
std::string layer_table(const audit::AuditResult& result, const std::vector<LayerColumn>& columns,
                        const TerminalStyle& style);

// Over the layers that have a value.
struct Extremes {
  std::optional<double> max, min, mean;
};
Extremes extremes(const audit::AuditResult& result, const LayerValue& value);

std::string one_decimal(std::optional<double> number);
std::string two_decimals(std::optional<double> number);
std::string three_decimals(std::optional<double> number);
std::string no_decimals(std::optional<double> number);

// A section's title, and text wrapped to the width.
std::string heading(const std::string& title, const TerminalStyle& style);
std::string paragraph(const std::string& text, const std::string& indent, const TerminalStyle& style,
                      Ink ink = Ink::kPlain);

// The two sections of terminal_report() that are such tables.
std::string committee_section(const audit::AuditResult& result, const TerminalStyle& style);
std::string sharing_section(const audit::AuditResult& result, const TerminalStyle& style);

}  // namespace committee::report
