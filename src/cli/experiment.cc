#include "cli/experiment.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <mutex>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/scoring.h"

namespace committee::cli {
namespace {

using engine::Sequence;
using engine::Variant;
using interventions::Outcome;
using interventions::OutcomeTable;

// Passes a variant's records on, and tells when a chunk is over.
class ChunkEnd : public model::RoutingSink {
 public:
  ChunkEnd(model::RoutingSink* next, const std::function<void()>& done) : next_(next), done_(done) {}

  void begin_chunk(const model::RecordedRows& rows) override {
    if (next_) next_->begin_chunk(rows);
  }
  void record(const model::RoutingBatch& batch) override {
    if (next_) next_->record(batch);
  }
  void end_chunk() override {
    if (next_) next_->end_chunk();
    if (done_) done_();
  }

 private:
  model::RoutingSink* next_;
  const std::function<void()>& done_;
};

// Counts the tokens that execute each expert.
class ExecutedCounter : public model::RoutingSink {
 public:
  ExecutedCounter(size_t layers, int experts)
      : counts_(layers, std::vector<int64_t>(static_cast<size_t>(experts))) {}

  void begin_chunk(const model::RecordedRows& rows) override { rows_ += rows.size(); }
  void record(const model::RoutingBatch& batch) override {
    const std::lock_guard lock(mutex_);
    std::vector<int64_t>& counts = counts_[static_cast<size_t>(batch.layer)];
    for (size_t i = 0; i < batch.topk_id.size(); ++i) counts[batch.topk_id[i]] += batch.topk_weight[i] != 0;
  }
  void end_chunk() override {}

  std::vector<std::vector<double>> shares() const {
    std::vector<std::vector<double>> shares;
    for (const auto& layer : counts_) {
      shares.emplace_back();
      for (const int64_t count : layer)
        shares.back().push_back(static_cast<double>(count) /
                                static_cast<double>(std::max<int64_t>(rows_, 1)));
    }
    return shares;
  }

 private:
  std::mutex mutex_;
  std::vector<std::vector<int64_t>> counts_;
  int64_t rows_ = 0;
};

// The next-token distribution of the first arm for the prompt at hand, which the other arms are compared
// with.
class Unmasked {
 public:
  void set(std::span<const float> logits, double log_normalizer) {
    probability_.resize(logits.size());
    negative_entropy_ = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      const double log = static_cast<double>(logits[i]) - log_normalizer;
      probability_[i] = std::exp(log);
      negative_entropy_ += probability_[i] * log;
    }
  }

  // KL(this ‖ other) = Σ p ln p - Σ p z + ln Σ e^z, with the other's logits z.
  double divergence(std::span<const float> logits, double log_normalizer) const {
    double cross = 0;
    for (size_t i = 0; i < logits.size(); ++i) cross += probability_[i] * static_cast<double>(logits[i]);
    return std::max(0.0, negative_entropy_ - cross + log_normalizer);
  }

 private:
  std::vector<double> probability_;
  double negative_entropy_ = 0;
};

Outcome outcome_of(const Score& score, int answer) {
  Outcome outcome;
  const auto& logprobs = score.answer_logprobs;
  outcome.letter = static_cast<int>(std::max_element(logprobs.begin(), logprobs.end()) - logprobs.begin());
  outcome.answer_logprob = logprobs[static_cast<size_t>(answer)];
  outcome.answer = score.outcome == "correct" ? interventions::Answer::kCorrect
                   : score.outcome == "wrong" ? interventions::Answer::kWrong
                                              : interventions::Answer::kNone;
  return outcome;
}

int64_t tokens_of(std::span<const Sequence> sequences) {
  int64_t tokens = 0;
  for (const Sequence& sequence : sequences) tokens += static_cast<int64_t>(sequence.tokens.size());
  return tokens;
}

std::string how_to_go_on() { return "what was scored is kept, go on with: " + resume_command_text(); }

bool lacks(const OutcomeTable& outcomes, std::span<const size_t> arms, int32_t sample) {
  return std::any_of(arms.begin(), arms.end(),
                     [&](size_t arm) { return !outcomes.at(arm, static_cast<size_t>(sample)); });
}

}  // namespace

// Arms that share a pass.
struct Experiment::Pass {
  std::vector<size_t> which;  // of all arms; the first one is always there
  std::vector<Arm> arms;
  std::vector<Sequence> sequences;

  double tokens() const {
    return static_cast<double>(tokens_of(sequences)) * static_cast<double>(arms.size());
  }
};

Experiment::Experiment(const Setup& setup) : setup_(setup), engine_(setup.model, setup.engine_options()) {
  say_when_interrupted("interrupted; " + how_to_go_on());
}

// What a pass has to read: what the sink or the outcomes of some arm lack, without its records where no arm
// has a sink.
std::vector<Sequence> Experiment::sequences_of(const Pass& pass, const OutcomeTable& outcomes) const {
  const bool records =
      std::any_of(pass.arms.begin(), pass.arms.end(), [](const Arm& arm) { return arm.sink; });
  std::vector<Sequence> sequences;
  for (const Sequence& sequence : setup_.prompts.sequences) {
    const int32_t sample = sequence.sample;
    const bool unrecorded = std::any_of(pass.arms.begin(), pass.arms.end(), [&](const Arm& arm) {
      return arm.sink && (!arm.lacks || arm.lacks(sample));
    });
    if (!unrecorded && !(sequence.wants_logits && lacks(outcomes, pass.which, sample))) continue;
    if (records) {
      sequences.push_back(sequence);
    } else {
      sequences.push_back({sample, sequence.tokens, {}, {}, true});
    }
  }
  return sequences;
}

// As many of the arms as fit beside the first one: one at least, which the engine refuses where it must.
size_t Experiment::fitting(std::span<const Arm> arms, std::span<const size_t> wanted) const {
  const auto fits = [&](size_t count) {
    std::vector<Variant> variants = {{arms[0].policy, arms[0].sink, {}}};
    for (const size_t arm : wanted.first(count)) variants.push_back({arms[arm].policy, arms[arm].sink, {}});
    return engine_.fits(setup_.prompts.sequences, variants);
  };
  if (wanted.size() < 2 || fits(wanted.size())) return wanted.size();
  size_t low = 1, high = wanted.size();  // high do not fit
  while (high - low > 1) {
    const size_t middle = (low + high) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

std::vector<Experiment::Pass> Experiment::plan(std::span<const Arm> arms,
                                               const OutcomeTable& outcomes) const {
  std::vector<size_t> wanted;
  for (size_t arm = 1; arm < arms.size(); ++arm) {
    if (!sequences_of({{arm}, {arms[arm]}, {}}, outcomes).empty()) wanted.push_back(arm);
  }
  std::vector<Pass> passes;
  for (std::span<const size_t> left = wanted; passes.empty() || !left.empty();) {
    Pass pass{{0}, {arms[0]}, {}};
    if (!passes.empty()) pass.arms[0].sink = nullptr;
    const size_t count = fitting(arms, left);
    for (const size_t arm : left.first(count)) {
      pass.which.push_back(arm);
      pass.arms.push_back(arms[arm]);
    }
    left = left.subspan(count);
    pass.sequences = sequences_of(pass, outcomes);
    if (!pass.sequences.empty() || left.empty()) passes.push_back(std::move(pass));
  }
  return passes;
}

void Experiment::run(std::span<const Arm> arms, OutcomeTable& outcomes,
                     const std::function<void()>& part_done) {
  const std::vector<Pass> passes = plan(arms, outcomes);
  double total = 0, done = 0;
  for (const Pass& pass : passes) total += pass.tokens();
  cli::Progress progress(setup_.flags.terminal.quiet);
  for (size_t p = 0; p < passes.size(); ++p) {
    const std::string where = passes.size() > 1 ? fmt::format("pass {} of {}", p + 1, passes.size()) : "";
    const double arm_count = static_cast<double>(passes[p].arms.size());
    run_pass(passes[p], outcomes, part_done, [&](const engine::Progress& now) {
      progress.update(done + static_cast<double>(now.tokens) * arm_count, total, where, "tokens");
    });
    done += passes[p].tokens();
  }
}

void Experiment::run_pass(const Pass& pass, OutcomeTable& outcomes, const std::function<void()>& part_done,
                          const engine::OnProgress& on_progress) {
  ChunkEnd chunk_end(pass.arms[0].sink, part_done);
  Unmasked unmasked;
  std::vector<Variant> variants;
  for (size_t i = 0; i < pass.arms.size(); ++i) {
    const auto on_logits = [this, i, &pass, &outcomes, &unmasked](size_t s, std::span<const float> logits) {
      const auto sample = static_cast<size_t>(pass.sequences[s].sample);
      const int answer = *setup_.prompts.data.samples[sample].answer;
      const Score result = score(logits, setup_.prompts.letters[sample], answer, *setup_.tokenizer);
      if (i == 0) unmasked.set(logits, result.log_normalizer);
      Outcome outcome = outcome_of(result, answer);
      outcome.kl = i == 0 ? 0 : unmasked.divergence(logits, result.log_normalizer);
      outcomes.at(pass.which[i], sample) = outcome;
    };
    variants.push_back({pass.arms[i].policy, i == 0 ? &chunk_end : pass.arms[i].sink, on_logits});
  }
  const engine::Work work = prefill(pass.sequences, variants, on_progress);
  // The first arm of a later pass is there to be compared with: nobody would run it again.
  const auto arms = static_cast<int64_t>(pass.arms.size() - (work_.passes > 0 ? 1 : 0));
  work_.naive_rows += tokens_of(pass.sequences) * arms;
  work_.sharing_rows += work.prompt_rows * arms;
  ++work_.passes;
}

std::vector<std::vector<double>> Experiment::executed_frequencies(const engine::RoutingPolicy& policy) {
  const model::ModelConfig& config = setup_.model.config();
  ExecutedCounter counter(config.moe_layers.size(), config.router.experts);
  std::vector<Sequence> sequences;
  for (const Sequence& sequence : setup_.prompts.sequences) {
    if (sequence.wants_logits)
      sequences.push_back({sequence.sample, sequence.tokens, {}, sequence.recorded, false});
  }
  const Variant variant{policy, &counter, {}};
  cli::Progress progress(setup_.flags.terminal.quiet);
  prefill(sequences, std::span(&variant, 1), [&](const engine::Progress& now) {
    progress.update(static_cast<double>(now.tokens), static_cast<double>(now.total_tokens),
                    "executed frequencies", "tokens");
  });
  return counter.shares();
}

engine::Work Experiment::prefill(std::span<const Sequence> sequences, std::span<const Variant> variants,
                                 const engine::OnProgress& on_progress) {
  const SafeStop stop;
  try {
    engine::Work work = engine_.prefill(sequences, variants, [&](const engine::Progress& now) {
      stop.check();
      on_progress(now);
    });
    work_.rows += work.rows;
    return work;
  } catch (const engine::SampleError& problem) {
    throw Error(with_sample_name(problem, setup_.prompts));
  } catch (const Interrupted&) {
    fmt::print(stderr, "committee-audit: interrupted; {}\n", how_to_go_on());
    throw;
  }
}

int64_t count_scored(const Setup& setup) {
  const auto& sequences = setup.prompts.sequences;
  const auto scored = std::count_if(sequences.begin(), sequences.end(),
                                    [](const Sequence& sequence) { return sequence.wants_logits; });
  if (scored == 0) {
    throw Error("{}: no sample is a multiple choice with an answer, which outcomes are made of",
                setup.flags.data.data.string());
  }
  return scored;
}

}  // namespace committee::cli
