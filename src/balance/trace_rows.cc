#include "balance/trace_rows.h"

#include <algorithm>

namespace committee::balance {
namespace {

constexpr int64_t kBlockRows = 256;

}  // namespace

TraceRows::TraceRows(const audit::SampleReader& reader)
    : reader_(reader), sample_(reader.trace().samples().size(), -1) {
  const std::string& recorded = reader.trace().manifest().recording.positions;
  last_only_ = reader.positions() == "last" && recorded != "last";
  content_only_ = reader.positions() == "content" && recorded != "content";
  for (int64_t i = 0; i < reader.size(); ++i) sample_[reader.id(i)] = static_cast<int32_t>(i);
  for (int64_t shard = 0; shard < reader.trace().shards(); ++shard) {
    const trace::RowBlock labels = reader.trace().labels(shard);
    for (int64_t begin = 0; begin < labels.rows;) {
      int64_t end = std::min(begin + kBlockRows, labels.rows);
      while (end < labels.rows && labels.sample[end] == labels.sample[end - 1]) ++end;
      blocks_.push_back({shard, begin, end});
      begin = end;
    }
  }
}

void TraceRows::for_each(ThreadPool& pool, const Visit& visit) const {
  std::vector<trace::Trace::Scratch> scratch(pool.size());
  pool.for_each(static_cast<int64_t>(blocks_.size()), [&](int64_t b, int worker) {
    const Block& at = blocks_[b];
    const auto block = reader_.trace().read(at.shard, at.begin, at.end - at.begin, scratch[worker]);
    for (int64_t r = 0; r < block.rows; ++r) {
      const int32_t sample = sample_[block.sample[r]];
      const bool last = r + 1 == block.rows || block.sample[r + 1] != block.sample[r];
      if (sample < 0 || (content_only_ && block.content[r] == 0) || (last_only_ && !last)) continue;
      visit(sample, r, block, worker);
    }
    reader_.trace().drop(at.shard, at.begin, at.end - at.begin);
  });
}

}  // namespace committee::balance
