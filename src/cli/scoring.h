#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace committee::cli {

// A multiple-choice question's outcome, from the distribution of the token that follows its prompt (METHOD
// 8).
struct Score {
  std::vector<double> answer_logprobs;  // of each choice's letter, natural
  int32_t argmax_token = 0;             // over the whole vocabulary, the lower id of equals
  double log_normalizer = 0;            // ln Σ e^logit
  std::string outcome;                  // correct, wrong: that token is a choice's letter; else no_answer
};

// logits [vocab]; letters: the token of each choice's letter, "A" first.
Score score(std::span<const float> logits, std::span<const int32_t> letters, int answer,
            const tokenizer::Tokenizer& tokenizer);

}  // namespace committee::cli
