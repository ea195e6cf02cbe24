// Outcomes of made experiments against slow, obvious references.

#include "interventions/analysis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/random.h"

namespace committee::interventions {
namespace {

using testing::HasSubstr;

// Questions of two domains, `effect` taken from the log-probability in variant 1, scatter in all others.
struct Made {
  Questions questions;
  std::vector<ExpertSet> sets;
  OutcomeTable outcomes{0, 0};
};

Made made(int count, int matched, int random, double effect, uint64_t seed) {
  Made made;
  made.sets = {{"unmasked", Kind::kNone}, {"committee", Kind::kCommittee, {{1, {3}}}}};
  for (int i = 0; i < matched + random; ++i) {
    ExpertSet control{"control", i < matched ? Kind::kMatched : Kind::kRandom, {{1, {4 + i}}}};
    control.target = 1;
    made.sets.push_back(control);
  }
  made.outcomes = OutcomeTable(made.sets.size(), static_cast<size_t>(count) + 1);
  Random numbers(seed);
  for (int q = 0; q < count; ++q) {
    const size_t sample = static_cast<size_t>(q) + 1;  // sample 0 has no answer
    made.questions.samples.push_back(sample);
    made.questions.domains.push_back(q % 3 == 0 ? "b" : "a");
    made.questions.answers.push_back(q % 4);
    made.questions.choices.push_back(q % 2 ? 4 : 5);
    for (size_t v = 0; v < made.sets.size(); ++v) {
      Outcome outcome;
      outcome.answer = static_cast<Answer>(numbers.below(3));
      outcome.letter = static_cast<int>(numbers.below(4));
      outcome.answer_logprob = -1 - numbers.uniform() - (v == 1 ? effect : 0);
      outcome.kl = v == 0 ? 0 : numbers.uniform();
      made.outcomes.at(v, sample) = outcome;
    }
  }
  return made;
}

std::vector<SetResult> analysed(const Made& made, Experiment experiment, int bootstrap, int threads = 1) {
  ThreadPool pool(threads);
  return analyse(made.sets, made.outcomes, made.questions, experiment, bootstrap, 5, pool);
}

double value_of(const Outcome& outcome, int answer, size_t measure) {
  switch (measure) {
    case 0:
      return outcome.answer == Answer::kCorrect;
    case 1:
      return outcome.answer == Answer::kWrong;
    case 2:
      return outcome.answer == Answer::kNone;
    case 3:
      return outcome.letter == answer;
    case 4:
      return outcome.answer_logprob;
    default:
      return outcome.kl;
  }
}

TEST(Analysis, MeansAndDifferencesAreThoseOfALoop) {
  const Made m = made(25, 2, 2, 0.4, 1);
  const auto results = analysed(m, Experiment::kMask, 0);
  for (size_t v = 0; v < m.sets.size(); ++v) {
    for (size_t measure = 0; measure < kMeasures; ++measure) {
      double own = 0, plain = 0;
      for (size_t q = 0; q < 25; ++q) {
        own += value_of(*m.outcomes.at(v, q + 1), m.questions.answers[q], measure) / 25;
        plain += value_of(*m.outcomes.at(0, q + 1), m.questions.answers[q], measure) / 25;
      }
      EXPECT_NEAR(*results[v].measures[measure].value.value, own, 1e-12);
      EXPECT_NEAR(*results[v].measures[measure].difference.value, own - plain, 1e-12);
      EXPECT_FALSE(results[v].measures[measure].value.bootstrap);
    }
  }
  EXPECT_NEAR(*results[1].measures[3].value.floor, (13.0 / 5 + 12.0 / 4) / 25, 1e-12);
}

// Resampling written down: questions drawn with replacement inside each domain by other random numbers. With
// many replicates both give the same percentiles, within the scatter of replicates; and differences are
// paired, so that their interval is narrower than that of unpaired means.
TEST(Analysis, IntervalsAreThoseOfASlowPairedBootstrap) {
  constexpr int kReplicates = 4000;
  Made m = made(40, 0, 0, 0.3, 2);
  for (size_t q = 1; q <= 40; ++q) {  // correlated with the plain run
    m.outcomes.at(1, q)->answer_logprob =
        m.outcomes.at(0, q)->answer_logprob - 0.3 - 0.1 * std::sin(double(q));
  }
  const auto figure = analysed(m, Experiment::kMask, kReplicates)[1].measures[kAnswerLogprob];
  std::map<std::string, std::vector<size_t>> members;
  for (size_t q = 0; q < 40; ++q) members[m.questions.domains[q]].push_back(q + 1);
  Random numbers(77);
  std::vector<double> means, differences;
  for (int r = 0; r < kReplicates; ++r) {
    double own = 0, plain = 0;
    for (const auto& [domain, samples] : members) {
      for (size_t i = 0; i < samples.size(); ++i) {
        const size_t drawn = samples[numbers.below(samples.size())];
        own += m.outcomes.at(1, drawn)->answer_logprob / 40;
        plain += m.outcomes.at(0, drawn)->answer_logprob / 40;
      }
    }
    means.push_back(own);
    differences.push_back(own - plain);
  }
  const auto near = [&](const audit::Interval& got, std::vector<double> slow) {
    std::sort(slow.begin(), slow.end());
    const double low = slow[kReplicates / 40], high = slow[kReplicates - kReplicates / 40];
    EXPECT_NEAR(got.low, low, 0.12 * (high - low));
    EXPECT_NEAR(got.high, high, 0.12 * (high - low));
  };
  near(*figure.value.bootstrap, means);
  near(*figure.difference.bootstrap, differences);
  const auto width = [](const audit::Interval& i) { return i.high - i.low; };
  EXPECT_LT(width(*figure.difference.bootstrap), width(*figure.value.bootstrap) / 2);
}

TEST(Analysis, ReplicatesDrawTheSameQuestionsForAllSets) {
  Made m = made(30, 1, 0, 0, 3);
  for (size_t q = 1; q <= 30; ++q) {
    m.outcomes.at(1, q)->answer_logprob = m.outcomes.at(0, q)->answer_logprob - 0.25;
    m.outcomes.at(2, q) = m.outcomes.at(1, q);
  }
  const auto results = analysed(m, Experiment::kMask, 200);
  const auto& difference = results[1].measures[kAnswerLogprob].difference;
  EXPECT_NEAR(difference.bootstrap->low, -0.25, 1e-6);  // no question's own scatter is left in it
  EXPECT_NEAR(difference.bootstrap->high, -0.25, 1e-6);
  EXPECT_EQ(results[1].measures[kAnswerLogprob].value.bootstrap->low,
            results[2].measures[kAnswerLogprob].value.bootstrap->low);
}

TEST(Analysis, RankPValuesCountControlsAtLeastAsBad) {
  for (const auto experiment : {Experiment::kMask, Experiment::kAlways}) {
    for (uint64_t seed = 10; seed < 20; ++seed) {
      const Made m = made(12, 7, 9, 0.02, seed);
      const auto results = analysed(m, experiment, 0);
      for (size_t measure = 0; measure < kMeasures; ++measure) {
        // Correct, letters and log-probability are worse where they are lower.
        const bool low_is_worse = measure == 0 || measure == 3 || measure == 4;
        const double side = (low_is_worse ? -1 : 1) * (experiment == Experiment::kMask ? 1 : -1);
        const double own = side * *results[1].measures[measure].value.value;
        double matched = 1, random = 1;
        for (size_t v = 2; v < results.size(); ++v) {
          const bool reaches = side * *results[v].measures[measure].value.value > own - 1e-12;
          (v < 9 ? matched : random) += reaches;
        }
        EXPECT_DOUBLE_EQ(*results[1].measures[measure].p_matched, matched / 8);
        EXPECT_DOUBLE_EQ(*results[1].measures[measure].p_random, random / 10);
        EXPECT_FALSE(results[0].measures[measure].p_random);
      }
    }
  }
  const std::vector<double> controls = {1, 2, 3};
  EXPECT_DOUBLE_EQ(*rank_p_value(4, controls), 0.25);
  EXPECT_DOUBLE_EQ(*rank_p_value(3, controls), 0.5);
  EXPECT_DOUBLE_EQ(*rank_p_value(0, controls), 1);
  EXPECT_FALSE(rank_p_value(0, {}));
}

TEST(Analysis, ThreadsChangeNothing) {
  const Made m = made(30, 3, 3, 0.1, 4);
  const auto one = analysed(m, Experiment::kMask, 60), four = analysed(m, Experiment::kMask, 60, 4);
  for (size_t v = 0; v < one.size(); ++v) {
    for (size_t measure = 0; measure < kMeasures; ++measure) {
      EXPECT_EQ(one[v].measures[measure].difference.bootstrap->low,
                four[v].measures[measure].difference.bootstrap->low);
    }
  }
}

std::string verdict_of(const Made& m, Experiment experiment, int bootstrap = 200) {
  return sentences(analysed(m, experiment, bootstrap), experiment).at(0);
}

// A control's damage, the same for every question.
void set_damage(Made& m, size_t variant, double damage) {
  for (const size_t s : m.questions.samples)
    m.outcomes.at(variant, s)->answer_logprob = m.outcomes.at(0, s)->answer_logprob - damage;
}

TEST(Verdict, FollowsTheRulesInTheirOrder) {
  Made m = made(40, 19, 19, 0, 6);
  set_damage(m, 1, 0);
  EXPECT_THAT(verdict_of(m, Experiment::kMask), HasSubstr("no measurable damage"));
  EXPECT_THAT(verdict_of(m, Experiment::kMask, 0), HasSubstr("not decided: no bootstrap"));
  set_damage(m, 1, 0.5);
  for (size_t v = 2; v < m.sets.size(); ++v) set_damage(m, v, 0.1);
  EXPECT_THAT(verdict_of(m, Experiment::kMask), HasSubstr("more damage than other sets"));
  set_damage(m, 5, 0.6);  // one matched control does more: p = 2/20
  EXPECT_THAT(verdict_of(m, Experiment::kMask), HasSubstr("damage, but no more than"));
  set_damage(m, 5, 0.1);
  set_damage(m, 30, 0.6);  // one random control
  EXPECT_THAT(verdict_of(m, Experiment::kMask), HasSubstr("damage, but no more than"));
  m = made(40, 18, 18, 0, 6);
  set_damage(m, 1, 0.5);
  EXPECT_THAT(verdict_of(m, Experiment::kMask), HasSubstr("too few"));
}

TEST(Verdict, OfSetsThatAreAlwaysOn) {
  Made m = made(40, 19, 19, 0, 7);
  for (size_t v = 1; v < m.sets.size(); ++v) set_damage(m, v, 0.2);
  EXPECT_THAT(verdict_of(m, Experiment::kAlways), HasSubstr("not free ("));
  set_damage(m, 1, 0.1);
  EXPECT_THAT(verdict_of(m, Experiment::kAlways), HasSubstr("not free, but cheaper"));
  set_damage(m, 1, 0);
  EXPECT_THAT(verdict_of(m, Experiment::kAlways), HasSubstr("free: it could be a shared expert"));
  for (size_t v = 2; v < m.sets.size(); ++v) set_damage(m, v, 0);
  EXPECT_THAT(verdict_of(m, Experiment::kAlways), HasSubstr("free, but so are other sets"));
}

TEST(Verdict, OfBalancedLayersAndLayersWithoutExperts) {
  Made m = made(40, 0, 0, 0, 8);
  m.sets[1] = {"balanced", Kind::kBalanced, {{0, {}}, {1, {}}}};
  set_damage(m, 1, 0);
  EXPECT_THAT(verdict_of(m, Experiment::kAlways), HasSubstr("no measurable cost"));
  set_damage(m, 1, 0.2);
  EXPECT_THAT(verdict_of(m, Experiment::kAlways), HasSubstr("it costs"));
  EXPECT_THAT(verdict_of(m, Experiment::kAlways), HasSubstr("in 2 layers"));
  m.sets[1] = {"attention-only", Kind::kAttentionOnly, {{1, {}}}};
  EXPECT_THAT(verdict_of(m, Experiment::kMask), HasSubstr("no controls of its kind"));
}

}  // namespace
}  // namespace committee::interventions
