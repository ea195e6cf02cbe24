#include "audit/segment_rows.h"

#include <algorithm>

#include "audit/replicate_kernels.h"

namespace committee::audit {
namespace {

using kernels::kUnit;

}  // namespace

// What the nearest cache holds of a tile, more where a segment would have but few of them there.
int64_t SegmentRows::chunk_rows_for(std::span<const int32_t> list, std::span<const int64_t> starts) {
  constexpr int64_t kLeast = 448, kMost = 2560, kOfSegment = 2 * int64_t{kUnit};
  const auto rows = static_cast<int64_t>(list.size());
  for (int64_t chunk = kLeast;; chunk *= 2) {
    int64_t parts = 0;
    for (size_t s = 0; s + 1 < starts.size(); ++s) {
      for (int64_t i = starts[s]; i < starts[s + 1]; ++i) {
        parts += i == starts[s] || list[i] / chunk != list[i - 1] / chunk;
      }
    }
    if (chunk >= kMost || rows >= kOfSegment * parts) return chunk;
  }
}

SegmentRows::SegmentRows(std::span<const int32_t> lists, int count, std::span<const int64_t> starts,
                         ThreadPool& pool)
    : SegmentRows(lists, count, starts, chunk_rows_for(lists.first(starts.back()), starts), pool) {}

SegmentRows::SegmentRows(std::span<const int32_t> lists, int count, std::span<const int64_t> starts,
                         int64_t chunk_rows, ThreadPool& pool)
    : segments_(static_cast<int>(starts.size()) - 1),
      rows_(starts.back()),
      chunk_rows_(chunk_rows),
      chunks_((rows_ + chunk_rows_ - 1) / chunk_rows_),
      replicates_(count) {
  pool.for_each(count,
                [&](int64_t r, int) { replicates_[r] = arrange(lists.subspan(r * rows_, rows_), starts); });
}

SegmentRows::Replicate SegmentRows::arrange(std::span<const int32_t> list,
                                            std::span<const int64_t> starts) const {
  Replicate result;
  result.begin.reserve(chunks_ + 1);
  result.places.reserve(list.size() + list.size() / 4);
  std::vector<int64_t> next(starts.begin(), starts.end() - 1);
  const auto zeros = static_cast<int32_t>(list.size() * kernels::kTileWidth);
  for (int64_t c = 0; c < chunks_; ++c) {
    result.begin.push_back(static_cast<int32_t>(result.segments.size()));
    for (bool more = true; more;) {
      more = false;
      for (int s = 0; s < segments_; ++s) {
        size_t held = 0;
        for (int64_t& at = next[s]; held < kUnit && at < starts[s + 1] && list[at] < (c + 1) * chunk_rows_;
             ++held) {
          result.places.push_back(list[at++] * static_cast<int32_t>(kernels::kTileWidth));
        }
        if (held == 0) continue;
        result.places.resize(result.places.size() + kUnit - held, zeros);
        result.segments.push_back(s);
        more = more || held == kUnit;
      }
    }
  }
  result.begin.push_back(static_cast<int32_t>(result.segments.size()));
  return result;
}

SegmentRows::Units SegmentRows::units(int replicate, int64_t chunk) const {
  const Replicate& of = replicates_[replicate];
  const int32_t begin = of.begin[chunk], count = of.begin[chunk + 1] - begin;
  return {std::span(of.segments).subspan(begin, count),
          std::span(of.places).subspan(begin * int64_t{kUnit}, count * int64_t{kUnit})};
}

}  // namespace committee::audit
