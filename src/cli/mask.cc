#include <cstdio>
#include <memory>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/set_flags.h"
#include "cli/study.h"
#include "interventions/control_sets.h"
#include "report/masking.h"

namespace committee::cli {
namespace {

using interventions::ExpertSet;
using interventions::Kind;

struct Flags {
  CaptureFlags capture;
  OutputFlags output;
  SetFlags sets;
  bool shared = false, attention_only = false, always_on = false;
  int bootstrap = 200;
};

void check_flags(const Flags& flags) {
  if (flags.sets.committee.empty() == flags.sets.experts.empty())
    throw Error("mask needs the experts: either --committee AUDIT or --experts \"LAYER:IDS;…\"");
  if (!flags.capture.recording.score) throw Error("--no-score does not go with mask, which compares scores");
  if (flags.capture.recording.positions == "generated")
    throw Error("--positions generated does not go with mask, which scores the token after the prompt");
  if (flags.always_on && (flags.shared || flags.attention_only))
    throw Error("--always-on does not go with --mask-shared or --attention-only");
}

std::vector<ExpertSet> chosen_sets(const Flags& flags, const Setup& setup) {
  std::vector<ExpertSet> sets = {{"unmasked", Kind::kNone}};
  const auto named = named_sets(flags.sets, setup.model.fingerprint(), flags.capture.model);
  sets.insert(sets.end(), named.begin(), named.end());
  const auto layers = touched_layers(named);
  if (flags.shared) interventions::add_sets(sets, "shared", Kind::kShared, layers, flags.sets.together);
  if (flags.attention_only)
    interventions::add_sets(sets, "attention-only", Kind::kAttentionOnly, layers, flags.sets.together);
  return sets;
}

engine::RoutingPolicy policy_of(const ExpertSet& set, const engine::RoutingPolicy& plain, bool always_on) {
  engine::RoutingPolicy policy = plain;
  for (const auto& [layer, ids] : set.experts) {
    if (set.kind == Kind::kShared) {
      policy.without_shared.insert(layer);
    } else if (set.kind == Kind::kAttentionOnly) {
      policy.without_routed.insert(layer);
    } else {
      std::vector<int>& to = (always_on ? policy.always : policy.masked)[layer];
      to.insert(to.end(), ids.begin(), ids.end());
    }
  }
  return policy;
}

bool is_valid(const engine::RoutingPolicy& policy, const model::ModelConfig& config) {
  try {
    engine::validate(policy, config);
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::vector<ExpertSet> with_controls(const std::vector<ExpertSet>& chosen, const Flags& flags,
                                     const Setup& setup, Experiment& experiment) {
  interventions::ControlPlan plan{setup.model.config().moe_layers,
                                  experiment.executed_frequencies(setup.policy),
                                  flags.sets.controls,
                                  flags.sets.matched_count(),
                                  flags.capture.seed,
                                  {}};
  plan.allowed = [&](int layer, const std::vector<int>& ids) {
    return is_valid(policy_of({"", Kind::kRandom, {{layer, ids}}}, setup.policy, flags.always_on),
                    setup.model.config());
  };
  return interventions::with_controls(chosen, plan);
}

OrderedJson options_of(const Flags& flags, const std::vector<ExpertSet>& chosen) {
  return {{"sets", set_names(chosen)},
          {"controls", flags.sets.controls},
          {"matched", flags.sets.matched_count()},
          {"always-on", flags.always_on},
          {"bootstrap", flags.bootstrap}};
}

void print_document(const Study& study) {
  OrderedJson document = study.document();
  document["masking"] = json_rows(std::string(MappedFile(study / "masking.csv").text()));
  print_json(document);
}

void run_mask(const Flags& flags) {
  say_when_interrupted("interrupted before anything was written");
  check_flags(flags);
  check_output(flags.output);
  const bool json = flags.capture.terminal.json;
  const Setup setup(flags.capture);
  const int64_t scored = count_scored(setup);
  const std::vector<ExpertSet> chosen = chosen_sets(flags, setup);
  for (const ExpertSet& set : chosen)
    engine::validate(policy_of(set, setup.policy, flags.always_on), setup.model.config());
  Study study("mask", flags.output, setup, options_of(flags, chosen));
  if (study.is_finished()) {
    say(flags.capture.terminal, fmt::format("{}: is complete already", flags.output.out.string()));
    if (json) print_document(study);
    return;
  }
  warn_of_unscored(setup, scored);

  Experiment experiment(setup);
  const auto sets = with_controls(chosen, flags, setup, experiment);
  std::vector<Arm> arms;
  for (const ExpertSet& set : sets) arms.push_back({policy_of(set, setup.policy, flags.always_on)});
  const auto outcomes = study.run(experiment, arms);

  const auto kind = flags.always_on ? interventions::Experiment::kAlways : interventions::Experiment::kMask;
  const auto questions = questions_of(setup);
  ThreadPool pool(flags.capture.machine.thread_count());
  const auto results =
      interventions::analyse(sets, outcomes, questions, kind, flags.bootstrap, flags.capture.seed, pool);
  const auto sentences = interventions::sentences(results, kind);
  write_file(study / "masking.csv", report::masking_csv(results));
  write_file(study / "outcomes.csv", outcomes_csv(sets, outcomes, questions, setup));
  study.finish(
      {{"questions", questions.samples.size()}, {"sets", sets_json(results)}, {"sentences", sentences}},
      experiment);
  if (json) {
    print_document(study);
    return;
  }
  fmt::print("{}{}{}", report::masking_table(results, flags.capture.terminal.style()), bullets(sentences),
             work_sentence(experiment.work()));
}

}  // namespace

void add_mask(CLI::App& app, Job& job) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("mask", "What a model loses without a set of experts, beside control sets");
  flags->capture.recording.positions = "all";
  add_capture_flags(*command, flags->capture);
  for (const char* name : {"--max-new-tokens", "--record", "--record-dtype", "--until-stable", "--round"})
    command->remove_option(command->get_option(name));
  command->get_option("--positions")
      ->description("Tokens whose executed experts count for matching: last, all or content (all)");
  add_output_flags(*command, flags->output);
  add_set_flags(*command, flags->sets);
  command->add_flag("--mask-shared", flags->shared, "Also without the shared experts of those layers");
  command->add_flag("--attention-only", flags->attention_only,
                    "Also without any routed expert of those layers");
  command->add_flag("--always-on", flags->always_on, "Execute the sets for every token instead");
  add_bootstrap_flag(*command, flags->bootstrap);
  command->callback([flags, &job] { job = [flags] { run_mask(*flags); }; });
}

}  // namespace committee::cli
