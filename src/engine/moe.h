#pragma once

#include <cstdint>
#include <vector>

#include "engine/experts.h"
#include "engine/policy.h"
#include "engine/self_attention.h"
#include "model/weights.h"

namespace committee::engine {

// What a layer's router gave for some rows, in memory that the next layer overwrites.
struct Routing {
  int64_t rows = 0;
  int experts = 0, slots = 0;
  float* probs = nullptr;    // [rows, experts]
  uint16_t* ids = nullptr;   // [rows, slots], by weight descending
  float* weights = nullptr;  // [rows, slots]; 0 in slots past the row's own budget
};

// hidden += FFN(RMSNorm(hidden)): the routed and shared experts of a layer, or its dense feed-forward.
class FeedForward {
 public:
  FeedForward(const model::ModelConfig& config, Machine& machine) : config_(config), machine_(machine) {}

  // Norms and routes the tokens of a MoE layer. They come in lanes of equal size, one after the other, each
  // with its policy. Throws NotFinite, also for a router's output.
  const Routing& route(const model::LayerWeights& layer, const TokenRows& tokens,
                       const std::vector<LayerPolicy>& lanes);

  // Adds what route() selected, and the shared experts.
  void add_routed(const model::LayerWeights& layer, const TokenRows& tokens);

  void add_dense(const model::LayerWeights& layer, const TokenRows& tokens);

 private:
  void select(const model::LayerWeights& layer, const std::vector<LayerPolicy>& lanes);

  const model::ModelConfig& config_;
  Machine& machine_;
  Routing routing_;
  std::vector<bool> runs_shared_;  // by lane
  Matrix x_;                       // [rows, d] normed, in the machine's format
  Bytes normed_, block_, probs_, ids_, weights_, shared_scale_, middle_, outputs_;
};

}  // namespace committee::engine
