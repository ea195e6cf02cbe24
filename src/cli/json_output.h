#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/flags.h"
#include "report/audit_files.h"
#include "trace/manifest.h"

namespace committee::cli {

using OrderedJson = nlohmann::ordered_json;

// What every document of this program begins with: format ("committee-audit KIND"), version, command line.
OrderedJson json_head(const std::string& kind);
// And, of what one model did: its name and fingerprint.
OrderedJson json_head(const std::string& kind, const trace::ModelInfo& model);

// The rows of a CSV text as an array of objects: a cell is a number where every cell of its column is one,
// null where it is empty, else text; a set of ids (columns committee, core, stable) is an array of numbers.
OrderedJson json_rows(const std::string& csv);

// The one document that --json puts on stdout.
void print_json(const OrderedJson& document);

// What roles and balance end with: their sentences, or with --json what their JSON file holds (`context`) and
// the rows of every table under its name ("roles.csv" → "roles").
void print_findings(const std::string& context, const std::vector<report::CsvFile>& tables,
                    const std::vector<std::string>& sentences, const TerminalFlags& terminal);

}  // namespace committee::cli
