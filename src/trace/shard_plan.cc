#include "trace/shard_plan.h"

#include <algorithm>

namespace committee::trace {

std::vector<ShardRange> plan_shards(std::span<const int32_t> rows, int64_t row_bytes,
                                    const ShardLimits& limits) {
  const int64_t most_rows = std::max<int64_t>(1, limits.bytes / row_bytes);
  std::vector<ShardRange> shards;
  for (size_t sample = 0; sample < rows.size(); ++sample) {
    const int64_t more = rows[sample];
    const bool cut = std::binary_search(limits.cuts.begin(), limits.cuts.end(), static_cast<int64_t>(sample));
    if (shards.empty() || cut || shards.back().samples == limits.samples ||
        (shards.back().rows > 0 && shards.back().rows + more > most_rows)) {
      shards.push_back({.first_sample = static_cast<int64_t>(sample)});
    }
    ++shards.back().samples;
    shards.back().rows += more;
  }
  return shards;
}

}  // namespace committee::trace
