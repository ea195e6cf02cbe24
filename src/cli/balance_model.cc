#include <algorithm>
#include <cstdio>
#include <set>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "cli/balance.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/study.h"
#include "report/balance_files.h"
#include "report/masking.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using interventions::ExpertSet;
using interventions::Kind;
using interventions::SetResult;

constexpr auto kExperiment = interventions::Experiment::kAlways;

CaptureFlags capture_flags(const BalanceFlags& flags) {
  CaptureFlags capture = flags.input.capture;
  if (!capture.recording.score)
    throw Error("--no-score does not go with balance on a model, which compares scores");
  if (capture.recording.positions == "generated")
    throw Error(
        "--positions generated does not go with balance on a model, which scores the token after the prompt");
  return capture;
}

// All that can be refused before the model reads anything.
void check_model(const BalanceFlags& flags, const Setup& setup) {
  const model::ModelConfig& config = setup.model.config();
  if (config.router.score != model::RouterScore::kSoftmax)
    throw Error(
        "{}: its router's scores are sigmoids, and the biases are found for shares of them: balance the "
        "trace of a "
        "capture instead",
        flags.input.input());
  std::set<int> seen;
  for (const int layer : flags.sets.layers) {
    if (!config.is_moe(layer)) throw Error("layer {} has no routed experts to choose from", layer);
    if (!seen.insert(layer).second) throw Error("--layers: {} is there twice", layer);
  }
  if (flags.sets.experts.empty() && flags.sets.committee.empty()) return;
  for (const ExpertSet& set : named_sets(flags.sets, setup.model.fingerprint(), flags.input.input())) {
    engine::RoutingPolicy policy = setup.policy;
    policy.always = set.experts;
    engine::validate(policy, config);
  }
}

// The plain model, all layers balanced at once and each on its own, and the sets of --always.
std::vector<ExpertSet> sets_of(const BalanceFlags& flags, const trace::Trace& trace,
                               const balance::BalanceResult& result) {
  std::map<int, std::vector<int>> layers;
  for (const auto& layer : result.layers) layers[layer.layer] = {};
  std::vector<ExpertSet> sets = {{"unbalanced", Kind::kNone}, {"balanced", Kind::kBalanced, layers}};
  for (const auto& [layer, none] : layers) {
    const auto& asked = flags.sets.layers;
    if (layers.size() > 1 && (asked.empty() || std::find(asked.begin(), asked.end(), layer) != asked.end()))
      sets.push_back({"balanced", Kind::kBalanced, {{layer, none}}});
  }
  if (!flags.always) return sets;
  const auto offset = static_cast<int>(sets.size());
  for (ExpertSet& set : always_sets(flags, trace, result)) {
    if (set.target >= 0) set.target += offset;
    sets.push_back(std::move(set));
  }
  return sets;
}

engine::RoutingPolicy policy_of(const ExpertSet& set, const engine::RoutingPolicy& plain,
                                const balance::BalanceResult& result) {
  engine::RoutingPolicy policy = plain;
  if (set.kind == Kind::kBalanced) {
    for (const auto& layer : result.layers) {
      if (set.experts.contains(layer.layer))
        policy.selection_bias[layer.layer].assign(layer.biases.begin(), layer.biases.end());
    }
  } else {
    policy.always = set.experts;
  }
  return policy;
}

// Largest |load / uniform - 1| by layer.
std::vector<double> worst_loads(const std::vector<std::vector<double>>& frequency) {
  std::vector<double> worst;
  for (const auto& layer : frequency) {
    double sum = 0;
    for (const double f : layer) sum += f;
    const double uniform = sum / static_cast<double>(layer.size());
    double most = 0;
    for (const double f : layer) most = std::max(most, std::abs(f / uniform - 1));
    worst.push_back(most);
  }
  return worst;
}

std::map<int, report::BalancedRun> runs_of(const balance::BalanceResult& result,
                                           const std::vector<SetResult>& outcomes,
                                           const std::vector<double>& worst) {
  std::map<int, report::BalancedRun> runs;
  for (size_t l = 0; l < result.layers.size(); ++l) runs[result.layers[l].layer].worst_load = worst[l];
  for (const SetResult& one : outcomes) {
    if (one.set.kind == Kind::kBalanced && one.set.experts.size() == 1)
      runs[one.set.experts.begin()->first].outcomes = &one;
  }
  return runs;
}

std::string rerun_sentence(const balance::BalanceResult& result, const std::vector<double>& worst) {
  double before = 0, after = 0;
  for (size_t l = 0; l < worst.size(); ++l) {
    before += result.layers[l].worst_load / static_cast<double>(worst.size());
    after += worst[l] / static_cast<double>(worst.size());
  }
  return fmt::format(
      "On the model, with all layers balanced at once, the load is up to {:.0f}% off uniform (mean over "
      "layers; {:.0f}% "
      "without the biases): moved slots change what later layers read.",
      100 * after, 100 * before);
}

void print_document(const Study& study) {
  OrderedJson document = study.document();
  for (const char* table : {"balance", "balance_domains", "balancing"})
    document[table] = json_rows(std::string(MappedFile(study / (std::string(table) + ".csv")).text()));
  print_json(document);
}

OrderedJson options_json(const BalanceFlags& flags, const balance::BalanceResult& result,
                         const std::vector<ExpertSet>& sets) {
  OrderedJson options;
  for (const auto& [name, value] : balance_options(flags, result)) options[name] = value;
  std::vector<ExpertSet> chosen;
  std::copy_if(sets.begin(), sets.end(), std::back_inserter(chosen),
               [](const ExpertSet& set) { return set.target < 0; });
  options["sets"] = set_names(chosen);
  return options;
}

}  // namespace

void balance_model(const BalanceFlags& flags) {
  say_when_interrupted("interrupted before anything was written");
  const OutputFlags& output = flags.input.output;
  const TerminalFlags& terminal = flags.input.capture.terminal;
  check_output(output);
  const CaptureFlags capturing = capture_flags(flags);
  CaptureFlags silent = capturing;
  silent.terminal.quiet = true;  // the capture says it all
  Setup setup(silent);
  setup.flags.terminal = terminal;
  const int64_t scored = count_scored(setup);
  check_model(flags, setup);
  if (!output.resume) fs::remove(output.out / "balance.json");

  const fs::path folder = output.out / "trace";
  fs::create_directories(output.out);
  capture(capturing, folder, output.resume, output.overwrite);
  const auto trace = trace::Trace::open(folder);
  const auto result = balance_of(trace, flags);
  const auto sets = sets_of(flags, trace, result);
  Study study("balance", output, setup, options_json(flags, result, sets));
  if (study.is_finished()) {
    say(terminal, fmt::format("{}: is complete already", output.out.string()));
    if (terminal.json) print_document(study);
    return;
  }
  warn_of_unscored(setup, scored);

  Experiment experiment(setup);
  std::vector<Arm> arms;
  for (const ExpertSet& set : sets) arms.push_back({policy_of(set, setup.policy, result)});
  const auto outcomes = study.run(experiment, arms);
  const auto worst = worst_loads(experiment.executed_frequencies(arms[1].policy));

  const auto questions = questions_of(setup);
  ThreadPool pool(capturing.machine.thread_count());
  const auto results = interventions::analyse(sets, outcomes, questions, kExperiment,
                                              flags.statistics.bootstrap, capturing.seed, pool);
  auto sentences = report::balance_sentences(result);
  sentences.push_back(rerun_sentence(result, worst));
  for (auto& sentence : interventions::sentences(results, kExperiment))
    sentences.push_back(std::move(sentence));
  for (const auto& file : report::balance_csv(result, runs_of(result, results, worst)))
    write_file(study / file.name, file.text);
  write_file(study / "biases.json", report::biases_json(result));
  write_file(study / "balancing.csv", report::masking_csv(results));
  write_file(study / "outcomes.csv", outcomes_csv(sets, outcomes, questions, setup));
  study.finish(
      {{"questions", questions.samples.size()}, {"sets", sets_json(results)}, {"sentences", sentences}},
      experiment);
  if (terminal.json) {
    print_document(study);
    return;
  }
  fmt::print("{}{}{}", report::masking_table(results, terminal.style()), bullets(sentences),
             work_sentence(experiment.work()));
}

}  // namespace committee::cli
