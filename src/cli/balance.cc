#include "balance/balance.h"

#include <cstdio>
#include <memory>

#include "base/atomic_file.h"
#include "base/error.h"
#include "cli/audit.h"
#include "cli/commands.h"
#include "report/balance_files.h"
#include "report/roles_files.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;

struct Flags {
  fs::path trace, out;
  AuditFlags audit;
  double tolerance = 0.05;
  int max_passes = 400;
  bool overwrite = false;
};

void run_balance(const Flags& flags) {
  const auto trace = trace::Trace::open(flags.trace);
  balance::BalanceOptions options;
  options.audit = audit_options(flags.audit, trace);
  options.tolerance = flags.tolerance;
  options.max_passes = flags.max_passes;
  const auto result = balance::balance(trace, options);
  prepare_audit_folder(flags.out, flags.overwrite);
  fs::create_directories(flags.out);
  for (const auto& file : report::balance_csv(result)) write_file(flags.out / file.name, file.text);
  write_file(flags.out / "biases.json", report::biases_json(result));
  const auto sentences = report::balance_sentences(result);
  const std::vector<std::pair<std::string, std::string>> echoed = {
      {"positions", result.positions},
      {"tolerance", fmt::format("{}", flags.tolerance)},
      {"max_passes", fmt::format("{}", flags.max_passes)},
      {"bootstrap", fmt::format("{}", options.audit.bootstrap)},
      {"permutations", fmt::format("{}", options.audit.permutations)},
      {"seed", fmt::format("{}", options.audit.seed)},
      {"samples", fmt::format("{}", result.samples)},
      {"rows", fmt::format("{}", result.rows)}};
  write_file(flags.out / "balance.json",
             report::context_json({"committee-audit balance", command_line_text(), echoed, result.model},
                                  sentences));
  for (const auto& sentence : sentences) fmt::print("{}\n", sentence);
}

}  // namespace

void add_balance(CLI::App& app, Job& job) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("balance", "How unbalanced the load is, and what balance would move");
  command->add_option("TRACE", flags->trace, "Trace folder with whole distributions")->required();
  command->add_option("-o,--out", flags->out, "Folder to write")->required()->type_name("FOLDER");
  command->add_flag("--overwrite", flags->overwrite, "Replace what is there");
  command->add_option("--tolerance", flags->tolerance, "Largest distance of a load from uniform (0.05)")
      ->check(CLI::Range(1e-6, 1.0));
  command->add_option("--max-passes", flags->max_passes, "Passes over the trace in search of biases (400)")
      ->check(CLI::Range(1, 1000000));
  add_bootstrap_flag(*command, flags->audit.statistics);
  command
      ->add_option("--permutations", flags->audit.statistics.permutations,
                   "Permutations of the domains, 0 for none (200)")
      ->check(CLI::Range(0, 1000000));
  add_audited_rows_flags(*command, flags->audit);
  add_machine_flags(*command, flags->audit.machine);
  add_seed_flag(*command, flags->audit.seed);
  command->callback([flags, &job] { job = [flags] { run_balance(*flags); }; });
}

}  // namespace committee::cli
