#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "audit/result.h"

namespace committee::report {

// Writes the folder that `committee-audit audit` leaves: a CSV per kind of figure (names and columns: CLI
// contract), each file whole or not at all, and audit.json last, so that a folder with an audit.json is
// complete. Makes the folder where it is missing; replaces files of the same names. Throws Error.
void write_audit(const audit::AuditResult& result, const std::filesystem::path& folder);

// The result back from FOLDER/audit.json (or from an audit.json itself), checked whole: sizes of all tables,
// ids within their ranges, known names. Throws Error naming the file and the field.
audit::AuditResult read_audit(const std::filesystem::path& path);

// The same for text: audit.json's, and the CSV files by name.
std::string audit_json(const audit::AuditResult& result);
audit::AuditResult parse_audit(std::string_view text, const std::string& file);

struct CsvFile {
  std::string name, text;
};
std::vector<CsvFile> audit_csv(const audit::AuditResult& result);

// The largest of them, with or without the columns of baselines.
enum class Baselines { kShown, kLeftOut };
std::string contributions_csv(const audit::AuditResult& result, Baselines baselines);
std::string jaccard_pairs_csv(const audit::AuditResult& result, Baselines baselines);

}  // namespace committee::report
