#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "audit/sample_reader.h"
#include "base/thread_pool.h"

namespace committee::balance {

// The audited rows of a trace, whole samples of one shard at a time. The reader outlives it.
class TraceRows {
 public:
  using Visit = std::function<void(int64_t sample, int64_t row, const trace::RowBlock& block, int worker)>;

  explicit TraceRows(const audit::SampleReader& reader);

  // Calls visit(sample of the reader, row of the block, block, worker) for every audited row, different
  // blocks at the same time; all rows of a sample come from one block.
  void for_each(ThreadPool& pool, const Visit& visit) const;

 private:
  struct Block {
    int64_t shard = 0, begin = 0, end = 0;
  };
  const audit::SampleReader& reader_;
  std::vector<int32_t> sample_;  // of the trace → of the reader
  std::vector<Block> blocks_;
  bool last_only_ = false, content_only_ = false;
};

// The distribution of a row at a layer, [E].
inline std::span<const float> scores_of(const trace::RowBlock& block, int64_t row, int layer, int layers,
                                        int experts) {
  return block.probs.subspan((row * layers + layer) * experts, experts);
}

}  // namespace committee::balance
