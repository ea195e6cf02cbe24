#pragma once

#include <span>

#include "audit/grouping.h"
#include "audit/layer_figures.h"
#include "audit/result.h"
#include "base/thread_pool.h"

namespace committee::audit {

// METHOD 9's expert shuffle of one layer: every sample's expert ids permuted at random, so that no committee
// can exist, and what the committee rule finds then. A replicate's permutation of a sample is a random cyclic
// shift of a uniform permutation that is drawn anew every 250 replicates; both together are uniform, and what
// two replicates make of an expert is as independent as if all were drawn anew. vectors [N, E], each to be
// multiplied by scale [N]; grouping and order as sort_samples gives them. `layer` separates the random
// streams of layers.
struct ShuffleInput {
  std::span<const float> vectors, scale;
  const Grouping& grouping;
  std::span<const int32_t> order;
  Rules rules;
  std::vector<int> specific;
  int replicates, layer;
  uint64_t seed;
};
ShuffleBaseline shuffle_experts(const ShuffleInput& input, ThreadPool& pool);

}  // namespace committee::audit
