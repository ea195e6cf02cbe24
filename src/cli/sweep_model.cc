#include <algorithm>
#include <cstdio>
#include <memory>

#include "audit/sweep.h"
#include "base/atomic_file.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/study.h"
#include "cli/sweep.h"
#include "cli/trace_arm.h"
#include "report/sweep_files.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using interventions::ExpertSet;
using interventions::Kind;

void check_flags(const SweepFlags& flags) {
  if (flags.statistics.eci == "reference")
    throw Error("--eci reference has no sweep: choose routing, executed or frequency");
  if (flags.input.capture.recording.positions == "generated")
    throw Error("--positions generated does not go with sweep on a model: capture and sweep a trace");
}

// The model's own budget first, then the others that it is run with.
std::vector<int> executed_budgets(const SweepFlags& flags, const std::vector<int>& asked, int own) {
  std::vector<int> budgets = {own};
  for (const int k : asked) {
    if (k != own && flags.mode != "rerank") budgets.push_back(k);
  }
  return budgets;
}

engine::RoutingPolicy policy_of(int k, const Setup& setup) {
  engine::RoutingPolicy policy = setup.policy;
  policy.top_k = k;
  return policy;
}

std::vector<ExpertSet> sets_of(const std::vector<int>& budgets) {
  std::vector<ExpertSet> sets;
  for (const int k : budgets)
    sets.push_back({fmt::format("k={}", k), sets.empty() ? Kind::kNone : Kind::kBudget});
  return sets;
}

OrderedJson options_json(const SweepFlags& flags, const std::vector<int>& asked) {
  return {{"k", asked},
          {"mode", flags.mode.empty() ? "rerun" : flags.mode},
          {"eci", flags.statistics.eci},
          {"gamma", flags.statistics.gamma},
          {"fallback", flags.statistics.fallback},
          {"bootstrap", flags.statistics.bootstrap},
          {"permutations", flags.statistics.permutations}};
}

void print_document(const Study& study) {
  OrderedJson document = study.document();
  document["sweep"] = json_rows(std::string(MappedFile(study / "sweep.csv").text()));
  print_json(document);
}

// The traces of the budgets that were run, the own one first.
audit::SweepResult sweep_of(const SweepFlags& flags, const Study& study, const std::vector<int>& asked,
                            const std::vector<int>& executed) {
  std::vector<trace::Trace> traces;
  for (const int k : executed) traces.push_back(trace::Trace::open(study / fmt::format("trace-k{}", k)));
  std::vector<audit::Rerun> reruns;
  for (const int k : asked) {
    const auto at = std::find(executed.begin(), executed.end(), k);
    if (at != executed.end() && flags.mode != "rerank")
      reruns.push_back({k, &traces[static_cast<size_t>(at - executed.begin())]});
  }
  const auto options = audit_options(flags.input.audit_flags(flags.statistics), traces[0]);
  return audit::sweep(traces[0], options, asked, reruns);
}

}  // namespace

void sweep_model(const SweepFlags& flags) {
  say_when_interrupted("interrupted before anything was written");
  check_flags(flags);
  const OutputFlags& output = flags.input.output;
  const TerminalFlags& terminal = flags.input.capture.terminal;
  check_output(output);
  const Setup setup(flags.input.capture);
  const model::Router& router = setup.model.config().router;
  const int own = router.top_k;
  std::vector<int> asked = flags.budgets.empty() ? default_budgets(router.experts, own) : flags.budgets;
  if (std::find(asked.begin(), asked.end(), own) == asked.end()) asked.push_back(own);
  const auto executed = executed_budgets(flags, asked, own);
  for (const int k : asked) engine::validate(policy_of(k, setup), setup.model.config());
  const bool scores = setup.flags.recording.score;
  if (scores) warn_of_unscored(setup, count_scored(setup));
  Study study("sweep", output, setup, options_json(flags, asked));
  if (study.is_finished()) {
    say(terminal, fmt::format("{}: is complete already", output.out.string()));
    if (terminal.json) print_document(study);
    return;
  }

  Experiment experiment(setup);
  std::vector<std::unique_ptr<TraceArm>> records;
  std::vector<Arm> arms;
  for (const int k : executed) {
    records.push_back(std::make_unique<TraceArm>(study / fmt::format("trace-k{}", k), setup, k, output));
    TraceArm* record = records.back().get();
    arms.push_back({policy_of(k, setup), record, [record](int32_t sample) { return record->lacks(sample); }});
  }
  const auto outcomes = study.run(experiment, arms);
  for (const auto& record : records) record->finish();
  records.clear();

  const auto result = sweep_of(flags, study, asked, executed);
  report::SweepFindings findings{result, {}, executed};
  const auto sets = sets_of(executed);
  if (scores) {
    const auto questions = questions_of(setup);
    ThreadPool pool(setup.flags.machine.thread_count());
    findings.outcomes = interventions::analyse(sets, outcomes, questions, interventions::Experiment::kMask,
                                               flags.statistics.bootstrap, setup.flags.seed, pool);
    write_file(study / "outcomes.csv", outcomes_csv(sets, outcomes, questions, setup));
  }
  const std::string by_budget = report::budgets_csv(findings);
  write_file(study / "sweep.csv", report::sweep_csv(result));
  write_file(study / "budgets.csv", by_budget);
  study.finish({{"own_budget", own},
                {"budgets", json_rows(by_budget)},
                {"sentences", report::sweep_sentences(findings)}},
               experiment);
  if (terminal.json) {
    print_document(study);
    return;
  }
  fmt::print("{}{}", report::sweep_table(findings, terminal.style()), work_sentence(experiment.work()));
}

}  // namespace committee::cli
