#include "engine/router.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "engine/ops.h"

namespace committee::engine {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr float kFirst = std::numeric_limits<float>::infinity();

}  // namespace

Selector::Selector(const model::Router& router, LayerPolicy policy, std::vector<float> correction_bias)
    : router_(router),
      policy_(std::move(policy)),
      bias_(std::move(correction_bias)),
      masked_(static_cast<size_t>(router.experts)),
      always_(static_cast<size_t>(router.experts)),
      score_(static_cast<size_t>(router.experts)),
      order_(static_cast<size_t>(router.experts)) {
  for (const int id : policy_.masked) masked_[static_cast<size_t>(id)] = 1;
  for (const int id : policy_.always) always_[static_cast<size_t>(id)] = 1;
  if (!policy_.selection_bias.empty()) {
    bias_.resize(static_cast<size_t>(router.experts));
    for (size_t e = 0; e < bias_.size(); ++e) bias_[e] += policy_.selection_bias[e];
  }
}

float Selector::group_score(const std::vector<float>& choice, int group) const {
  const int size = router_.experts / router_.groups;
  float best = kNever, second = kNever;
  for (int e = group * size; e < (group + 1) * size; ++e) {
    const float c = choice[static_cast<size_t>(e)];
    if (c > best) {
      second = std::exchange(best, c);
    } else {
      second = std::max(second, c);
    }
  }
  if (router_.group_score == model::GroupScore::kBest || size == 1) return best;
  return best + second;
}

void Selector::keep_best_groups(std::vector<float>& choice) const {
  std::vector<int> groups(static_cast<size_t>(router_.groups));
  std::iota(groups.begin(), groups.end(), 0);
  std::vector<float> scores;
  for (const int g : groups) scores.push_back(group_score(choice, g));
  std::stable_sort(groups.begin(), groups.end(), [&](int a, int b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  const int size = router_.experts / router_.groups;
  for (size_t g = static_cast<size_t>(router_.top_groups); g < groups.size(); ++g)
    std::fill_n(choice.begin() + groups[g] * size, size, kNever);
}

void Selector::select(float* logits, uint16_t* ids, float* weights) {
  const int experts = router_.experts;
  const bool renormalize = policy_.mask_mode == MaskMode::kRenormalize;
  if (renormalize) {
    for (const int id : policy_.masked) logits[id] = kNever;
  }
  const bool softmax_scores = router_.score == model::RouterScore::kSoftmax;
  softmax_scores ? softmax(logits, experts) : sigmoid(logits, experts);
  std::copy_n(logits, experts, score_.begin());
  if (!softmax_scores) {
    const float sum = std::accumulate(logits, logits + experts, 0.0f);
    scale(1.0f / std::max(sum, std::numeric_limits<float>::min()), experts, logits);
  }

  choice_ = score_;
  for (size_t e = 0; e < bias_.size(); ++e) choice_[e] += bias_[e];
  if (router_.groups > 1) keep_best_groups(choice_);
  for (int e = 0; e < experts; ++e) {
    const size_t i = static_cast<size_t>(e);
    if (masked_[i] && renormalize) choice_[i] = kNever;
    if (always_[i]) choice_[i] = kFirst;
  }
  const int k = policy_.top_k;
  std::iota(order_.begin(), order_.end(), 0);
  const auto before = [](const std::vector<float>& key) {
    return [&key](int a, int b) {
      const float x = key[static_cast<size_t>(a)], y = key[static_cast<size_t>(b)];
      return x > y || (x == y && a < b);
    };
  };
  std::partial_sort(order_.begin(), order_.begin() + k, order_.end(), before(choice_));

  float sum = 0;
  for (int j = 0; j < k; ++j) sum += score_[static_cast<size_t>(order_[static_cast<size_t>(j)])];
  // 1e-20 is what the sigmoid families guard against a sum of zero with.
  const float factor = static_cast<float>(router_.scaling) / (router_.normalize_top_k ? sum + 1e-20f : 1.0f);
  for (int j = 0; j < k; ++j) {
    const size_t e = static_cast<size_t>(order_[static_cast<size_t>(j)]);
    score_[e] = masked_[e] || !policy_.runs_routed ? 0.0f : score_[e] * factor;
  }
  std::sort(order_.begin(), order_.begin() + k, before(score_));
  for (int j = 0; j < k; ++j) {
    ids[j] = static_cast<uint16_t>(order_[static_cast<size_t>(j)]);
    weights[j] = score_[static_cast<size_t>(order_[static_cast<size_t>(j)])];
  }
}

}  // namespace committee::engine
