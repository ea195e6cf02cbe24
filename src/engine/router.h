#pragma once

#include <cstdint>
#include <vector>

#include "engine/policy.h"
#include "model/config.h"

namespace committee::engine {

// Chooses experts by a router's logits, as one layer's policy says.
class Selector {
 public:
  // correction_bias: [experts] or empty.
  Selector(const model::Router& router, LayerPolicy policy, std::vector<float> correction_bias);

  int top_k() const { return policy_.top_k; }

  // logits [experts], finite, become the routing distribution G (softmax, or sigmoid scores over their sum).
  // ids and weights [top_k]: the executed experts by weight descending (equal weights by id), with what the
  // model multiplies them with.
  void select(float* logits, uint16_t* ids, float* weights);

 private:
  void keep_best_groups(std::vector<float>& choice) const;
  float group_score(const std::vector<float>& choice, int group) const;

  model::Router router_;
  LayerPolicy policy_;
  std::vector<float> bias_;  // added to the scores for selection, the correction's and the policy's; or empty
  std::vector<uint8_t> masked_, always_;  // [experts]
  std::vector<float> score_, choice_;     // scratch
  std::vector<int> order_;
};

}  // namespace committee::engine
