#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "audit/result.h"
#include "base/thread_pool.h"
#include "interventions/outcome.h"

namespace committee::interventions {

enum class Kind {
  kNone,
  kCommittee,
  kCore,
  kStable,
  kGiven,
  kRandom,
  kMatched,
  kShared,         // without the shared experts
  kAttentionOnly,  // without any routed expert
  kBalanced,       // with the biases that even the load
  kBudget          // with another number of experts executed
};
const char* name_of(Kind kind);

// One variant of an experiment: what is done at which layers.
struct ExpertSet {
  std::string name;  // "unmasked", "committee", "committee/random-3"
  Kind kind = Kind::kNone;
  std::map<int, std::vector<int>> experts = {};  // layer → ids; no ids: all routed, or the shared ones
  int target = -1;                               // of a control: the set that it is compared with
  std::optional<double> slot_share = {};         // of the executed slots of its layers in the plain model
};

// Outcome measures (METHOD 8), in the order of their columns.
inline constexpr size_t kMeasures = 6;
inline constexpr size_t kAnswerLogprob = 4;
struct Measure {
  const char* name;
  int harm;  // +1: more is worse
};
inline constexpr std::array<Measure, kMeasures> kMeasureTable = {{{"correct", -1},
                                                                  {"wrong", 1},
                                                                  {"no_answer", 1},
                                                                  {"letter_accuracy", -1},
                                                                  {"answer_logprob", -1},
                                                                  {"kl", 1}}};

struct MeasureResult {
  audit::Figure value;       // mean over questions; floor of letter_accuracy: chance
  audit::Figure difference;  // to the unmasked run, question by question
  // (r + 1) / (N + 1), r of the N controls at least as bad (always on: at most as bad); nothing without any.
  std::optional<double> p_random = {}, p_matched = {};
};

struct SetResult {
  ExpertSet set;
  std::array<MeasureResult, kMeasures> measures;
};

// The questions of an experiment: those with an answer.
struct Questions {
  std::vector<size_t> samples;        // indices into the outcome table
  std::vector<std::string> domains;   // of each
  std::vector<int> answers, choices;  // of each: the right one, and how many there are
};

enum class Experiment { kMask, kAlways };

// Means, intervals from `bootstrap` replicates drawn inside each domain (the same draws for all variants, so
// that differences are paired), and rank p-values against the controls. Set 0 is the unmasked run. Every cell
// of the table that Questions names must be there.
std::vector<SetResult> analyse(const std::vector<ExpertSet>& sets, const OutcomeTable& outcomes,
                               const Questions& questions, Experiment experiment, int bootstrap,
                               uint64_t seed, ThreadPool& pool);

// (r + 1) / (N + 1), r of the N controls at least as large as `own`; nothing without controls.
std::optional<double> rank_p_value(double own, std::span<const double> controls);

// "log-probability of the right letter -0.310 [-0.402, -0.221], correct -3.1 points": to the first set.
std::string changed(const SetResult& result);

// A verdict in words for every set that is no control, by the rules of docs/interventions.md.
std::vector<std::string> sentences(const std::vector<SetResult>& results, Experiment experiment);

}  // namespace committee::interventions
