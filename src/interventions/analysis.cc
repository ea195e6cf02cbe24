#include "interventions/analysis.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "audit/grouping.h"
#include "audit/percentile.h"
#include "audit/resample_plan.h"

namespace committee::interventions {
namespace {

constexpr double kSignificant = 0.05;

std::array<double, kMeasures> values_of(const Outcome& outcome, int answer) {
  return {outcome.answer == Answer::kCorrect ? 1.0 : 0.0,
          outcome.answer == Answer::kWrong ? 1.0 : 0.0,
          outcome.answer == Answer::kNone ? 1.0 : 0.0,
          outcome.letter == answer ? 1.0 : 0.0,
          outcome.answer_logprob,
          outcome.kl};
}

// [measures][questions] of one variant.
using Columns = std::array<std::vector<double>, kMeasures>;

Columns columns_of(const OutcomeTable& outcomes, size_t variant, const Questions& questions) {
  Columns columns;
  for (size_t q = 0; q < questions.samples.size(); ++q) {
    const auto values = values_of(*outcomes.at(variant, questions.samples[q]), questions.answers[q]);
    for (size_t m = 0; m < kMeasures; ++m) columns[m].push_back(values[m]);
  }
  return columns;
}

double mean_of(const std::vector<double>& column) {
  double sum = 0;
  for (const double x : column) sum += x;
  return sum / static_cast<double>(column.size());
}

audit::Grouping grouping_of(const Questions& questions) {
  audit::Grouping grouping;
  std::map<std::string, int32_t> ids;
  for (const std::string& domain : questions.domains) ids.emplace(domain, 0);
  for (auto& [name, id] : ids) {
    id = static_cast<int32_t>(grouping.domains.size());
    grouping.domains.push_back({name, 0, 0});
  }
  for (const std::string& domain : questions.domains) {
    grouping.domain_of.push_back(ids[domain]);
    ++grouping.domains[static_cast<size_t>(ids[domain])].samples;
  }
  return grouping;
}

// Means of a column in every replicate; lists [B, N] of question indices.
std::vector<double> replicates_of(const std::vector<double>& column, const std::vector<int32_t>& lists) {
  std::vector<double> means;
  for (size_t begin = 0; begin < lists.size(); begin += column.size()) {
    double sum = 0;
    for (size_t i = 0; i < column.size(); ++i) sum += column[static_cast<size_t>(lists[begin + i])];
    means.push_back(sum / static_cast<double>(column.size()));
  }
  return means;
}

void set_interval(audit::Figure& figure, const std::vector<double>& replicates) {
  if (!replicates.empty())
    figure.bootstrap = audit::interval_of(std::vector<float>(replicates.begin(), replicates.end()));
}

std::optional<double> rank_p(const std::vector<SetResult>& results, size_t target, Kind kind, size_t m,
                             Experiment experiment) {
  const double side = kMeasureTable[m].harm * (experiment == Experiment::kMask ? 1 : -1);
  std::vector<double> controls;
  for (const SetResult& other : results) {
    if (other.set.target == static_cast<int>(target) && other.set.kind == kind)
      controls.push_back(side * *other.measures[m].value.value);
  }
  return rank_p_value(side * *results[target].measures[m].value.value, controls);
}

int controls_of(const std::vector<SetResult>& results, size_t target, Kind kind) {
  return static_cast<int>(std::count_if(results.begin(), results.end(), [&](const SetResult& other) {
    return other.set.target == static_cast<int>(target) && other.set.kind == kind;
  }));
}

std::string described(const SetResult& result) {
  if (result.set.kind == Kind::kBalanced && result.set.experts.size() > 1)
    return fmt::format("{} in {} layers", result.set.name, result.set.experts.size());
  std::vector<std::string> places;
  for (const auto& [layer, ids] : result.set.experts) {
    places.push_back(ids.empty() ? fmt::format("layer {}", layer)
                                 : fmt::format("layer {} (experts {})", layer, fmt::join(ids, " ")));
  }
  return fmt::format("{} of {}", result.set.name, fmt::join(places, ", "));
}

// The rules of docs/interventions.md, in their order.
std::string verdict(const std::vector<SetResult>& results, size_t target, Experiment experiment) {
  const MeasureResult& measure = results[target].measures[kAnswerLogprob];
  const auto& interval = measure.difference.bootstrap;
  const bool mask = experiment == Experiment::kMask;
  if (!interval) return "not decided: no bootstrap was made";
  const bool harmless = interval->high >= 0;
  if (results[target].set.kind == Kind::kBalanced)
    return harmless ? "no measurable cost" : "it costs more than the questions' own scatter";
  const int random = controls_of(results, target, Kind::kRandom),
            matched = controls_of(results, target, Kind::kMatched);
  const std::string tests =
      fmt::format("p = {} against {} matched, {} against {} random sets",
                  measure.p_matched ? fmt::format("{:.3f}", *measure.p_matched) : "–", matched,
                  measure.p_random ? fmt::format("{:.3f}", *measure.p_random) : "–", random);
  if (mask && harmless) return fmt::format("no measurable damage ({})", tests);
  const auto kind = results[target].set.kind;
  if (kind == Kind::kShared || kind == Kind::kAttentionOnly) return "damage; it has no controls of its kind";
  if (std::max(random, matched) < 19)
    return fmt::format("{}; not decided whether that is more than controls do: too few of them ({})",
                       harmless ? "free"
                       : mask   ? "damage"
                                : "not free",
                       tests);
  const auto beats = [](const std::optional<double>& p) { return !p || *p <= kSignificant; };
  const bool more = beats(measure.p_random) && beats(measure.p_matched);
  if (mask)
    return more ? fmt::format("more damage than other sets of its size do ({})", tests)
                : fmt::format("damage, but no more than other sets of its size do ({})", tests);
  if (harmless)
    return more ? fmt::format("free: it could be a shared expert, and other sets cost more ({})", tests)
                : fmt::format("free, but so are other sets of its size ({})", tests);
  return more ? fmt::format("not free, but cheaper than other sets of its size ({})", tests)
              : fmt::format("not free ({})", tests);
}

}  // namespace

std::optional<double> rank_p_value(double own, std::span<const double> controls) {
  if (controls.empty()) return std::nullopt;
  // Means of the same values in another order count as equal.
  const auto reached =
      std::count_if(controls.begin(), controls.end(), [&](double other) { return other >= own - 1e-12; });
  return (static_cast<double>(reached) + 1) / (static_cast<double>(controls.size()) + 1);
}

std::string changed(const SetResult& result) {
  const MeasureResult& logprob = result.measures[kAnswerLogprob];
  std::string text = fmt::format("log-probability of the right letter {:+.3f}", *logprob.difference.value);
  if (const auto& interval = logprob.difference.bootstrap)
    text += fmt::format(" [{:+.3f}, {:+.3f}]", interval->low, interval->high);
  return text + fmt::format(", correct {:+.1f} points", 100 * *result.measures[0].difference.value);
}

const char* name_of(Kind kind) {
  static constexpr const char* kNames[] = {"none",           "committee", "core",    "stable",
                                           "given",          "random",    "matched", "shared",
                                           "attention-only", "balanced",  "budget"};
  return kNames[static_cast<size_t>(kind)];
}

std::vector<SetResult> analyse(const std::vector<ExpertSet>& sets, const OutcomeTable& outcomes,
                               const Questions& questions, Experiment experiment, int bootstrap,
                               uint64_t seed, ThreadPool& pool) {
  std::vector<int32_t> lists(static_cast<size_t>(bootstrap) * questions.samples.size());
  if (bootstrap > 0) {
    const audit::Grouping grouping = grouping_of(questions);
    audit::ResamplePlan(grouping, audit::Scheme::kBootstrap, bootstrap, seed).draw(0, bootstrap, lists, pool);
  }
  double chance = 0;
  for (const int choices : questions.choices)
    chance += 1.0 / choices / static_cast<double>(questions.choices.size());
  const Columns plain = columns_of(outcomes, 0, questions);
  std::vector<SetResult> results(sets.size());
  pool.for_each(static_cast<int64_t>(sets.size()), [&](int64_t index, int) {
    const auto v = static_cast<size_t>(index);
    SetResult& result = results[v];
    result.set = sets[v];
    const Columns own = columns_of(outcomes, v, questions);
    for (size_t m = 0; m < kMeasures; ++m) {
      std::vector<double> difference = own[m];
      for (size_t q = 0; q < difference.size(); ++q) difference[q] -= plain[m][q];
      result.measures[m].value.value = mean_of(own[m]);
      set_interval(result.measures[m].value, replicates_of(own[m], lists));
      result.measures[m].difference.value = mean_of(difference);
      set_interval(result.measures[m].difference, replicates_of(difference, lists));
    }
    result.measures[3].value.floor = chance;
  });
  for (size_t v = 0; v < results.size(); ++v) {
    for (size_t m = 0; m < kMeasures; ++m) {
      results[v].measures[m].p_random = rank_p(results, v, Kind::kRandom, m, experiment);
      results[v].measures[m].p_matched = rank_p(results, v, Kind::kMatched, m, experiment);
    }
  }
  return results;
}

std::vector<std::string> sentences(const std::vector<SetResult>& results, Experiment experiment) {
  std::vector<std::string> text;
  for (size_t v = 1; v < results.size(); ++v) {
    if (results[v].set.target >= 0) continue;
    text.push_back(fmt::format("{}: {}: {}", described(results[v]), changed(results[v]),
                               verdict(results, v, experiment)));
  }
  return text;
}

}  // namespace committee::interventions
