#include "audit/sweep.h"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/version.h"
#include "cli/audit.h"
#include "cli/commands.h"
#include "report/sweep_csv.h"

namespace committee::cli {
namespace {

struct Flags {
  std::filesystem::path trace, out;
  std::vector<int> budgets = {4, 6, 8, 12, 16};
  AuditFlags audit;
  bool overwrite = false;
};

std::vector<std::string> sentences(const audit::SweepResult& result) {
  std::vector<std::string> text;
  for (const auto& budget : result.budgets) {
    int with_committee = 0;
    for (const auto& layer : budget.layers) with_committee += !layer.committee.empty();
    std::string line = fmt::format("With k = {}, re-ranked, {} of {} layers have a committee", budget.k,
                                   with_committee, budget.layers.size());
    if (budget.retention.value) {
      line += fmt::format("; {:.1f}% of the committee at k = {} is in it", 100 * *budget.retention.value,
                          result.reference_k);
    }
    if (budget.retention.floor) line += fmt::format(" (by chance {:.1f}%)", 100 * *budget.retention.floor);
    text.push_back(line + ".");
  }
  return text;
}

OrderedJson sweep_json(const audit::SweepResult& result) {
  return {{"format", "committee-audit sweep"},
          {"version", kVersion},
          {"command", command_line_text()},
          {"model", {{"name", result.model.name}, {"fingerprint", result.model.fingerprint}}},
          {"own_budget", result.reference_k},
          {"sentences", sentences(result)}};
}

void run_sweep(const Flags& flags) {
  const auto trace = trace::Trace::open(flags.trace);
  prepare_audit_folder(flags.out, flags.overwrite);
  const auto result = audit::sweep(trace, audit_options(flags.audit, trace), flags.budgets);
  const std::string csv = report::sweep_csv(result);
  write_file(flags.out / "sweep.csv", csv);
  write_file(flags.out / "sweep.json", sweep_json(result).dump(1) + "\n");
  if (flags.audit.terminal.json) {
    print_json({{"own_budget", result.reference_k}, {"sweep", json_rows(csv)}});
  } else {
    fmt::print("{}", report::sweep_summary(result));
  }
}

}  // namespace

void add_sweep(CLI::App& app, Job& job) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("sweep", "Committees at other routing budgets, by what a trace recorded");
  command->add_option("TRACE", flags->trace, "Trace folder")->required();
  command->add_option("-o,--out", flags->out, "Folder to write")->required()->type_name("FOLDER");
  command->add_flag("--overwrite", flags->overwrite, "Replace the sweep that is there");
  command->add_option("--k", flags->budgets, "Budgets (4,6,8,12,16)")
      ->delimiter(',')
      ->type_name("LIST")
      ->check(CLI::Range(1, 65535));
  add_rule_flags(*command, flags->audit.statistics);
  add_bootstrap_flag(*command, flags->audit.statistics.bootstrap);
  add_permutations_flag(*command, flags->audit.statistics.permutations);
  add_audited_rows_flags(*command, flags->audit);
  add_machine_flags(*command, flags->audit.machine);
  add_seed_flag(*command, flags->audit.seed);
  add_terminal_flags(*command, flags->audit.terminal);
  add_json_flag(*command, flags->audit.terminal);
  command->callback([flags, &job] { job = [flags] { run_sweep(*flags); }; });
}

}  // namespace committee::cli
