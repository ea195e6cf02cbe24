#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace committee::trace {

// What a shard holds at most: whole samples, at least one. Few samples a shard keep what a kill loses small
// and let many processes share a run evenly; the bound on bytes keeps files handy.
struct ShardLimits {
  int64_t bytes = int64_t{256} << 20;
  int64_t samples = 64;
  std::vector<int64_t> cuts = {};  // samples that begin a shard whatever the bounds, ascending
};

struct ShardRange {
  int64_t first_sample = 0, samples = 0;
  int64_t rows = 0;  // the sum of its samples' bounds
};

// Cuts samples into shards in their order. It depends on the rows and limits alone, never on chunks, threads
// or memory, so that a run cut anywhere gives the same files. rows[i] ≥ 0: the most rows that sample i can
// have.
std::vector<ShardRange> plan_shards(std::span<const int32_t> rows, int64_t row_bytes,
                                    const ShardLimits& limits);

}  // namespace committee::trace
