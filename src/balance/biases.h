#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "audit/sample_reader.h"
#include "base/thread_pool.h"

namespace committee::balance {

// The k experts of the largest scores[i] + bias[i] (float32, as the engine adds them), ties lower id first,
// in that order. bias [E] or empty.
void select(std::span<const float> scores, std::span<const float> bias, std::span<uint16_t> ids);

// A layer's biases and how well they balance.
struct Biases {
  std::vector<float> bias;  // [E] mean 0
  double worst = 0;         // largest |load / uniform - 1| over the experts
  bool converged = false;
  int passes = 0;
};

// Biases of every layer for which each expert's load over the audited tokens lies within `tolerance` of the
// uniform one. Σ_tokens (sum of the k largest G + b) - u·Σ b is convex in b with the gradient load - u, so
// that its minimum balances with the least mass lost; it is gone down with a step of each expert's own, which
// grows while the load stays on one side of u and halves when it crosses (Rprop), as a trained selection bias
// moves by the sign alone. Ends after `max_passes` over the trace, or 100 without a better worst load: the
// best found is returned.
std::vector<Biases> find_biases(const audit::SampleReader& reader, double tolerance, int max_passes,
                                ThreadPool& pool);

// What the biases do to each sample, sums over its audited tokens; [N, L] each.
struct Moves {
  std::vector<float> moved, lost, executed, rule_agrees;
  std::vector<std::vector<int64_t>> load;  // [L][E] slots under the biases
};
Moves apply_biases(const audit::SampleReader& reader, const std::vector<Biases>& biases, ThreadPool& pool);

}  // namespace committee::balance
