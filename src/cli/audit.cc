#include "cli/audit.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "audit/audit.h"
#include "audit/reference.h"
#include "base/atomic_file.h"
#include "base/error.h"
#include "cli/commands.h"
#include "dataset/domains.h"
#include "report/audit_files.h"
#include "report/terminal.h"
#include "trace/reader.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;

audit::Positions positions_named(const std::string& name, const trace::Trace& trace) {
  const std::string& recorded = trace.manifest().recording.positions;
  if (name == "generated" && recorded != name)
    throw Error("{}: holds {} positions, no generated tokens", trace.folder().string(), recorded);
  if (name.empty() || name == "generated") return audit::Positions::kRecorded;
  return name == "last"  ? audit::Positions::kLast
         : name == "all" ? audit::Positions::kAll
                         : audit::Positions::kContent;
}

// The subjects of the trace, and where one has none its domain, mapped by a file.
std::map<std::string, std::string> domain_map(const fs::path& file, const trace::Trace& trace) {
  const auto map = dataset::DomainMap::read(file);
  std::map<std::string, std::string> domain_of;
  for (const auto& sample : trace.samples()) {
    const std::string& subject = sample.subject.empty() ? sample.domain : sample.subject;
    if (domain_of.contains(subject)) continue;
    domain_of[subject] = map.at(subject, trace.folder().string());
  }
  return domain_of;
}

}  // namespace

audit::AuditOptions audit_options(const AuditFlags& flags, const trace::Trace& trace) {
  const StatisticsFlags& statistics = flags.statistics;
  audit::AuditOptions options;
  options.eci = statistics.eci == "routing"    ? audit::Eci::kRouting
                : statistics.eci == "executed" ? audit::Eci::kExecuted
                                               : audit::Eci::kFrequency;
  options.k = statistics.k;
  options.gamma = statistics.gamma;
  options.fallback =
      statistics.fallback == "max-presence" ? audit::Fallback::kMaxPresence : audit::Fallback::kNone;
  options.min_specificity = statistics.min_specificity;
  options.positions = positions_named(flags.positions, trace);
  if (!flags.group_by.empty() && !flags.domains.empty()) {
    throw Error("--domains and --group-by exclude each other: both say what the domains are");
  }
  options.group_by = flags.group_by;
  if (!flags.domains.empty()) options.domain_of = domain_map(flags.domains, trace);
  if (!statistics.nested.empty()) {
    options.nested = statistics.nested == "none" ? "" : statistics.nested;
    options.nested_asked = true;
  }
  options.bootstrap = statistics.bootstrap;
  options.permutations = statistics.permutations;
  options.expert_shuffles = statistics.expert_shuffles;
  options.seed = flags.seed;
  options.threads = flags.machine.thread_count();
  if (const uint64_t memory = flags.machine.memory_bytes()) options.memory = static_cast<int64_t>(memory);
  return options;
}

namespace {

audit::AggWeight agg_weight_named(const std::string& name) {
  return name == "mean"  ? audit::AggWeight::kMean
         : name == "sum" ? audit::AggWeight::kSum
                         : audit::AggWeight::kMedian;
}

// Flags that would change nothing are refused rather than passed over.
void check_flags(const StatisticsFlags& flags) {
  const bool reference = flags.eci == "reference";
  if (reference && flags.fallback == "none") {
    throw Error("--fallback none does not go with --eci reference: the authors' script always falls back");
  }
  if (reference && !flags.nested.empty()) {
    throw Error("--nested does not go with --eci reference: the authors' script has no such figure");
  }
  if (reference && flags.min_specificity) {
    throw Error("--min-specificity does not go with --eci reference: the authors' script has no such step");
  }
  if (!reference && flags.agg_weight != StatisticsFlags().agg_weight) {
    throw Error("--agg-weight goes with --eci reference only");
  }
}

bool is_table(const fs::path& input) { return fs::is_regular_file(input); }

void run_audit(const fs::path& input, const fs::path& out, bool overwrite, const AuditFlags& flags) {
  if (is_table(input) && flags.statistics.eci != "reference") {
    throw Error("{}: a table holds weights only: it is audited with --eci reference", input.string());
  }
  check_flags(flags.statistics);
  prepare_audit_folder(out, overwrite);
  if (flags.statistics.eci == "reference") {
    const std::string csv = audit_by_reference(input, flags, out);
    if (flags.terminal.json) {
      OrderedJson document = json_head("reference");
      document["reference"] = json_rows(csv);
      print_json(document);
    } else {
      fmt::print("{}", csv);
    }
    return;
  }
  const auto result = audit_trace(input, flags, out);
  if (flags.terminal.json) {
    print_json(audit_document(result));
    return;
  }
  fmt::print("{}", report::terminal_report(result, flags.terminal.style()));
}

}  // namespace

void prepare_audit_folder(const fs::path& out, bool overwrite) {
  if (fs::exists(out) && !fs::is_directory(out)) throw Error("{}: is there and is no folder", out.string());
  if (fs::exists(out) && !fs::is_empty(out) && !overwrite) {
    throw Error("{}: is not empty; --overwrite replaces what an earlier audit wrote", out.string());
  }
  std::error_code problem;
  fs::create_directories(out, problem);
  if (problem) throw Error("{}: cannot make the folder: {}", out.string(), problem.message());
}

audit::AuditResult audit_for_sets(const trace::Trace& trace, audit::AuditOptions options, bool stable) {
  options.permutations = options.expert_shuffles = 0;
  if (!stable) options.bootstrap = 0;
  return audit::audit(trace, options);
}

audit::AuditResult audit_trace(const fs::path& path, const AuditFlags& flags, const fs::path& out) {
  const auto trace = trace::Trace::open(path);
  auto result = audit::audit(trace, audit_options(flags, trace));
  report::write_audit(result, out);
  return result;
}

std::string audit_by_reference(const fs::path& input, const AuditFlags& flags, const fs::path& out) {
  const StatisticsFlags& statistics = flags.statistics;
  audit::ReferenceTable table;
  if (is_table(input)) {
    audit::ReferenceOptions options;
    options.k = statistics.k;
    options.agg_weight = agg_weight_named(statistics.agg_weight);
    table = audit::read_reference_table(input, options);
  } else {
    const auto trace = trace::Trace::open(input);
    auto made = audit::reference_of_trace(trace, audit_options(flags, trace));
    write_file(out / "reference_table.csv", made.csv);
    table = std::move(made.table);
  }
  std::string csv = audit::reference_csv(table, statistics.gamma, input.string());
  write_file(out / "reference.csv", csv);
  return csv;
}

OrderedJson audit_document(const audit::AuditResult& result) {
  return OrderedJson::parse(report::audit_json(result));
}

void add_audited_rows_flags(CLI::App& app, AuditFlags& flags) {
  app.add_option("--positions", flags.positions,
                 "Recorded rows to audit: last, all, content or generated (all there are)")
      ->check(one_of({"last", "all", "content", "generated"}));
  add_regrouping_flags(app, flags.domains, flags.group_by);
}

void add_audit(CLI::App& app, Job& job) {
  struct Flags {
    AuditFlags audit;
    fs::path input, out;
    bool overwrite = false;
  };
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("audit", "Audit a trace, or a table of the authors' release");
  command->add_option("TRACE|TABLE", flags->input, "Trace folder; CSV or XLSX table with --eci reference")
      ->required();
  command->add_option("-o,--out", flags->out, "Audit folder to write")->required()->type_name("FOLDER");
  command->add_flag("--overwrite", flags->overwrite, "Replace the audit that is there");
  add_statistics_flags(*command, flags->audit.statistics);
  add_audited_rows_flags(*command, flags->audit);
  add_machine_flags(*command, flags->audit.machine);
  add_terminal_flags(*command, flags->audit.terminal);
  add_json_flag(*command, flags->audit.terminal);
  add_seed_flag(*command, flags->audit.seed);
  command->callback([flags, &job] {
    job = [flags] { run_audit(flags->input, flags->out, flags->overwrite, flags->audit); };
  });
}

}  // namespace committee::cli
