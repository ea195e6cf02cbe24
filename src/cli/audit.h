#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "audit/options.h"
#include "audit/result.h"
#include "cli/flags.h"
#include "cli/json_output.h"
#include "trace/reader.h"

namespace committee::cli {

struct AuditFlags {
  StatisticsFlags statistics;
  std::string positions, domains, group_by;  // empty: as recorded
  MachineFlags machine;
  TerminalFlags terminal;
  uint64_t seed = 0;
};

// --positions, --domains and --group-by of what a trace holds.
void add_audited_rows_flags(CLI::App& app, AuditFlags& flags);

audit::AuditOptions audit_options(const AuditFlags& flags, const trace::Trace& trace);

// The audit of which only the sets matter, without baselines; with a bootstrap where stable sets are wanted.
audit::AuditResult audit_for_sets(const trace::Trace& trace, audit::AuditOptions options, bool stable);

// Audits a trace and writes the audit folder; the result for reports.
audit::AuditResult audit_trace(const std::filesystem::path& trace, const AuditFlags& flags,
                               const std::filesystem::path& out);

// --eci reference: what the authors' scripts make of a trace or of one of their tables, into
// OUT/reference.csv, whose text is returned, and, of a trace, OUT/reference_table.csv.
std::string audit_by_reference(const std::filesystem::path& input, const AuditFlags& flags,
                               const std::filesystem::path& out);

// What audit.json holds.
OrderedJson audit_document(const audit::AuditResult& result);

// An audit folder is made, or refused where it is not empty and `overwrite` is not given.
void prepare_audit_folder(const std::filesystem::path& out, bool overwrite);

}  // namespace committee::cli
