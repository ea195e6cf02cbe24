#include "cli/sweep.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "audit/sweep.h"
#include "base/atomic_file.h"
#include "base/error.h"
#include "cli/audit.h"
#include "cli/commands.h"
#include "report/sweep_files.h"

namespace committee::cli {
namespace {

void sweep_trace(const SweepFlags& flags) {
  const auto& output = flags.input.output;
  if (flags.mode == "rerun")
    throw Error("--mode rerun needs a MODEL and --data; {} is taken as a trace", flags.input.input());
  const auto trace = trace::Trace::open(flags.input.input());
  const auto& model = trace.manifest().model;
  const auto budgets = flags.budgets.empty()
                           ? default_budgets(model.experts, flags.statistics.k.value_or(model.top_k))
                           : flags.budgets;
  const auto options = audit_options(flags.input.audit_flags(flags.statistics), trace);
  prepare_audit_folder(output.out, output.overwrite);
  const auto result = audit::sweep(trace, options, budgets);
  const report::SweepFindings findings{result};
  const std::string csv = report::sweep_csv(result), by_budget = report::budgets_csv(findings);
  const auto sentences = report::sweep_sentences(findings);
  write_file(output.out / "sweep.csv", csv);
  write_file(output.out / "budgets.csv", by_budget);
  OrderedJson json = json_head("sweep", result.model);
  json["own_budget"] = result.reference_k;
  json["budgets"] = json_rows(by_budget);
  json["sentences"] = sentences;
  write_file(output.out / "sweep.json", json.dump(1) + "\n");
  if (flags.input.capture.terminal.json) {
    json["sweep"] = json_rows(csv);
    print_json(json);
  } else {
    fmt::print("{}", report::sweep_table(findings, flags.input.capture.terminal.style()));
  }
}

void run_sweep(const SweepFlags& flags) {
  flags.input.check();
  check_budgets(flags.budgets);
  if (flags.input.is_model()) {
    sweep_model(flags);
  } else {
    sweep_trace(flags);
  }
}

}  // namespace

std::vector<int> default_budgets(int experts, int own) {
  std::vector<int> budgets = {4, 6, 8, 12, 16, own};
  std::sort(budgets.begin(), budgets.end());
  budgets.erase(std::unique(budgets.begin(), budgets.end()), budgets.end());
  std::erase_if(budgets, [&](int k) { return k > experts; });
  return budgets;
}

void check_budgets(const std::vector<int>& budgets) {
  for (auto k = budgets.begin(); k != budgets.end(); ++k) {
    if (std::find(budgets.begin(), k, *k) != k) throw Error("--k: {} is there twice", *k);
  }
}

void add_sweep(CLI::App& app, Job& job) {
  const auto flags = std::make_shared<SweepFlags>();
  CLI::App* command =
      app.add_subcommand("sweep", "Committees at other routing budgets, re-ranked or with the model run");
  flags->input.add(*command,
                   {"--max-new-tokens", "--record", "--until-stable", "--round", "--top-k", "--always"});
  command->get_option("--positions")
      ->description("Tokens that are looked at: last, all, content or generated (last; all a trace has)");
  command->add_option("--k", flags->budgets, "Budgets (4,6,8,12,16 and the model's own)")
      ->delimiter(',')
      ->type_name("LIST")
      ->check(CLI::Range(1, 65535));
  command
      ->add_option("--mode", flags->mode,
                   "rerank what was recorded, or rerun the model as well (rerank; rerun with a MODEL)")
      ->check(one_of({"rerank", "rerun"}));
  add_rule_flags(*command, flags->statistics);
  add_bootstrap_flag(*command, flags->statistics.bootstrap);
  add_permutations_flag(*command, flags->statistics.permutations);
  command->callback([flags, &job] { job = [flags] { run_sweep(*flags); }; });
}

}  // namespace committee::cli
