#include "cli/scoring.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace committee::cli {

Score score(std::span<const float> logits, std::span<const int32_t> letters, int answer,
            const tokenizer::Tokenizer& tokenizer) {
  Score result;
  const auto top = std::max_element(logits.begin(), logits.end());
  result.argmax_token = static_cast<int32_t>(top - logits.begin());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - static_cast<double>(*top));
  const double log_sum = static_cast<double>(*top) + std::log(sum);
  result.log_normalizer = log_sum;
  for (const int32_t letter : letters) {
    result.answer_logprobs.push_back(static_cast<double>(logits[static_cast<size_t>(letter)]) - log_sum);
  }

  std::string text = tokenizer.token_text(result.argmax_token);
  text.erase(0, std::min(text.find_first_not_of(' '), text.size()));
  const int choice = text.size() == 1 ? text[0] - 'A' : -1;
  const bool is_letter = choice >= 0 && std::cmp_less(choice, letters.size());
  result.outcome = !is_letter ? "no_answer" : choice == answer ? "correct" : "wrong";
  return result;
}

}  // namespace committee::cli
