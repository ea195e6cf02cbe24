#pragma once

#include <string>
#include <vector>

#include "report/audit_files.h"
#include "roles/result.h"

namespace committee::report {

// roles.csv, token_information.csv, enrichment.csv, information.csv and matched.csv.
std::vector<CsvFile> roles_csv(const roles::RolesResult& result);

// What the figures say, a sentence each with its baseline.
std::vector<std::string> roles_sentences(const roles::RolesResult& result);

// A JSON file that carries the context of the CSV files beside it: format, version, command, options, model,
// sentences.
struct ReportContext {
  std::string format, command;
  std::vector<std::pair<std::string, std::string>> options;
  trace::ModelInfo model;
};
std::string context_json(const ReportContext& context, const std::vector<std::string>& sentences);

}  // namespace committee::report
