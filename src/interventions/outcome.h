#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace committee::interventions {

// What the token that would follow a multiple-choice prompt is (METHOD 8): the right answer's letter, a wrong
// one's, or none.
enum class Answer : uint8_t { kCorrect, kWrong, kNone };

inline constexpr const char* kAnswerNames[] = {"correct", "wrong", "no_answer"};

// One question in one variant of the model.
struct Outcome {
  Answer answer = Answer::kNone;
  int letter = 0;             // the choice whose letter is likeliest, 0-based; the first of equals
  double answer_logprob = 0;  // of the right choice's letter over the whole vocabulary, natural
  double kl = 0;              // KL(unmasked ‖ this variant) of the next token, nats

  bool operator==(const Outcome&) const = default;
};

// Variants by samples; nothing where a sample has not been read (or has no answer).
class OutcomeTable {
 public:
  OutcomeTable(size_t variants, size_t samples)
      : variants_(variants), samples_(samples), cells_(variants * samples) {}

  size_t variants() const { return variants_; }
  size_t samples() const { return samples_; }
  std::optional<Outcome>& at(size_t variant, size_t sample) { return cells_[variant * samples_ + sample]; }
  const std::optional<Outcome>& at(size_t variant, size_t sample) const {
    return cells_[variant * samples_ + sample];
  }

 private:
  size_t variants_, samples_;
  std::vector<std::optional<Outcome>> cells_;
};

}  // namespace committee::interventions
