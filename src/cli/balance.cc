#include "cli/balance.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "balance/always.h"
#include "base/atomic_file.h"
#include "base/error.h"
#include "cli/audit.h"
#include "cli/commands.h"
#include "interventions/control_sets.h"
#include "report/balance_files.h"
#include "report/roles_files.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using interventions::ExpertSet;

void balance_trace(const BalanceFlags& flags) {
  const fs::path& out = flags.input.output.out;
  if (!flags.always && !flags.sets.layers.empty())
    throw Error("--layers goes with --always, or with a MODEL and --data");
  const auto trace = trace::Trace::open(flags.input.input());
  const auto result = balance_of(trace, flags);
  auto tables = report::balance_csv(result);
  auto sentences = report::balance_sentences(result);
  if (flags.always) {
    const auto costs = balance::always_on(trace, result.options.audit, always_sets(flags, trace, result));
    tables.push_back({"always.csv", report::always_csv(costs)});
    for (auto& sentence : report::always_sentences(costs)) sentences.push_back(std::move(sentence));
  }
  prepare_audit_folder(out, flags.input.output.overwrite);
  for (const auto& file : tables) write_file(out / file.name, file.text);
  write_file(out / "biases.json", report::biases_json(result));
  const std::string context = report::context_json(
      {"committee-audit balance", command_line_text(), balance_options(flags, result), result.model},
      sentences);
  write_file(out / "balance.json", context);
  print_findings(context, tables, sentences, flags.input.capture.terminal);
}

void run_balance(const BalanceFlags& flags) {
  flags.input.check();
  if (flags.input.is_model()) {
    balance_model(flags);
  } else {
    balance_trace(flags);
  }
}

}  // namespace

balance::BalanceResult balance_of(const trace::Trace& trace, const BalanceFlags& flags) {
  balance::BalanceOptions options;
  options.audit = audit_options(flags.input.audit_flags(flags.statistics), trace);
  options.tolerance = flags.tolerance;
  options.max_passes = flags.max_passes;
  return balance::balance(trace, options);
}

std::vector<std::pair<std::string, std::string>> balance_options(const BalanceFlags& flags,
                                                                 const balance::BalanceResult& result) {
  const audit::AuditOptions& options = result.options.audit;
  std::vector<std::pair<std::string, std::string>> echoed = {
      {"positions", result.positions},
      {"tolerance", fmt::format("{}", flags.tolerance)},
      {"max_passes", fmt::format("{}", flags.max_passes)},
      {"bootstrap", fmt::format("{}", options.bootstrap)},
      {"permutations", fmt::format("{}", options.permutations)},
      {"seed", fmt::format("{}", options.seed)},
      {"samples", fmt::format("{}", result.samples)},
      {"rows", fmt::format("{}", result.rows)}};
  if (flags.always) {
    echoed.emplace_back("controls", fmt::format("{}", flags.sets.controls));
    echoed.emplace_back("matched", fmt::format("{}", flags.sets.matched_count()));
  }
  return echoed;
}

std::vector<ExpertSet> always_sets(const BalanceFlags& flags, const trace::Trace& trace,
                                   const balance::BalanceResult& result) {
  const trace::ModelInfo& model = trace.manifest().model;
  std::vector<ExpertSet> sets;
  if (flags.sets.experts.empty() && flags.sets.committee.empty()) {
    const auto& names = flags.sets.sets;
    const bool stable = std::find(names.begin(), names.end(), "stable") != names.end();
    const auto audit = audit_for_sets(trace, result.options.audit, stable);
    sets = sets_of_audit(audit, trace.folder().string(), flags.sets);
  } else {
    sets = named_sets(flags.sets, model.fingerprint, model.name);
  }
  for (const ExpertSet& set : sets) balance::check_always(set, model);
  interventions::ControlPlan plan;
  plan.layers = model.moe_layers;
  for (const auto& layer : result.layers) plan.frequency.push_back(layer.frequency);
  plan.random = flags.sets.controls;
  plan.matched = flags.sets.matched_count();
  plan.seed = result.options.audit.seed;
  return interventions::with_controls(sets, plan);
}

void add_balance(CLI::App& app, Job& job) {
  const auto flags = std::make_shared<BalanceFlags>();
  CLI::App* command =
      app.add_subcommand("balance", "How unbalanced the load is, and what balance would move and cost");
  flags->input.capture.recording.positions = "all";
  flags->input.add(*command, {"--max-new-tokens", "--record", "--record-dtype", "--until-stable", "--round",
                              "--mask", "--mask-mode", "--always"});
  command->get_option("--positions")
      ->description("Tokens whose load is looked at: last, all, content or generated (all there are)");
  command->add_option("--tolerance", flags->tolerance, "Largest distance of a load from uniform (0.05)")
      ->check(CLI::Range(1e-6, 1.0));
  command->add_option("--max-passes", flags->max_passes, "Passes over the trace in search of biases (400)")
      ->check(CLI::Range(1, 1000000));
  add_bootstrap_flag(*command, flags->statistics.bootstrap);
  add_permutations_flag(*command, flags->statistics.permutations);
  CLI::Option* always = command->add_flag(
      "--always", flags->always, "Also: the committee executed for every token, beside control sets");
  add_set_flags(*command, flags->sets);
  command->get_option("--layers")->description("Layers, each on its own (all)");
  for (const char* name : {"--committee", "--experts", "--set", "--together", "--controls", "--matched"})
    command->get_option(name)->needs(always);
  command->callback([flags, &job] { job = [flags] { run_balance(*flags); }; });
}

}  // namespace committee::cli
