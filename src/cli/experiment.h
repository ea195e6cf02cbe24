#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "cli/setup.h"
#include "engine/engine.h"
#include "interventions/outcome.h"
#include "model/routing.h"

namespace committee::cli {

// One way of routing in an experiment.
struct Arm {
  engine::RoutingPolicy policy;        // whole: it begins with Setup::policy where that matters
  model::RoutingSink* sink = nullptr;  // gets the rows of prompts, as --positions says
  // Which prompts the sink lacks; it also gets others, those that other arms of the pass lack. Empty: all.
  std::function<bool(int32_t sample)> lacks = {};
};

// What an experiment computed, beside what running each arm on its own would have taken.
struct ExperimentWork {
  int64_t naive_rows = 0;    // every token of every prompt in every arm
  int64_t sharing_rows = 0;  // the same, prefixes that prompts share counted once
  int64_t rows = 0;          // computed: layers before the first difference count once for all arms of a pass
  int64_t passes = 0;        // groups of arms that fitted into memory together
};

// The prompts of a Setup, read in several ways of routing at once: the arms run as branches of one pass (in
// several passes where memory does not hold all of them), the first one beside the others, as each is
// compared with it. Memory: the engine's, and 24 bytes for every arm and sample. Ctrl-C stops between parts
// of a layer and says how to go on (throws Interrupted).
class Experiment {
 public:
  // The setup outlives the experiment.
  explicit Experiment(const Setup& setup);

  // Reads the prompts that `outcomes` [arms, samples of the data set] lacks and puts them there; those
  // without an answer stay empty (and are read only where an arm's sink lacks them). `part_done` (may be
  // empty) is called whenever a chunk of prompts has gone through. Outcomes do not depend, to the bit, on
  // threads, memory or what was there before. Throws Error, naming the sample where one is the reason.
  void run(std::span<const Arm> arms, interventions::OutcomeTable& outcomes,
           const std::function<void()>& part_done);

  // [MoE layers][experts]: the share of the recorded tokens of the scored prompts for which a policy executes
  // each expert.
  std::vector<std::vector<double>> executed_frequencies(const engine::RoutingPolicy& policy);

  size_t samples() const { return setup_.prompts.sequences.size(); }

  const ExperimentWork& work() const { return work_; }  // of all calls

 private:
  struct Pass;
  std::vector<Pass> plan(std::span<const Arm> arms, const interventions::OutcomeTable& outcomes) const;
  size_t fitting(std::span<const Arm> arms, std::span<const size_t> wanted) const;
  std::vector<engine::Sequence> sequences_of(const Pass& pass,
                                             const interventions::OutcomeTable& outcomes) const;
  void run_pass(const Pass& pass, interventions::OutcomeTable& outcomes,
                const std::function<void()>& part_done, const engine::OnProgress& on_progress);
  engine::Work prefill(std::span<const engine::Sequence> sequences, std::span<const engine::Variant> variants,
                       const engine::OnProgress& on_progress);

  const Setup& setup_;
  engine::Engine engine_;
  ExperimentWork work_;
};

// How many samples have an answer to be scored. Throws Error where none has.
int64_t count_scored(const Setup& setup);

}  // namespace committee::cli
