#pragma once

#include <span>

#include "audit/grouping.h"
#include "audit/layer_figures.h"
#include "audit/result.h"
#include "base/thread_pool.h"

namespace committee::audit {

// METHOD 9's expert shuffle of one layer: every sample's expert ids permuted at random, so that no committee
// can exist, and what the committee rule finds then. A replicate's permutation of a sample is a random cyclic
// shift of a uniform permutation that is drawn anew every 50 replicates; both together are uniform. vectors
// [N, E], each to be multiplied by scale [N]. `layer` separates the random streams of layers.
struct ShuffleInput {
  std::span<const float> vectors, scale;
  const Grouping& grouping;
  Rules rules;
  std::vector<int> specific;
  int replicates, layer;
  uint64_t seed;
};
ShuffleBaseline shuffle_experts(const ShuffleInput& input, ThreadPool& pool);

}  // namespace committee::audit
