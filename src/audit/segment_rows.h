#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"

namespace committee::audit {

// Which rows of a TileMatrix each segment of some replicates sums up, in the order of summing: chunk of rows
// by chunk, so that a chunk's part of a tile stays in the nearest cache, and in units of kernels::kUnit rows
// of a segment, the last of which is filled up with the row of zeros that is past a tile's end. Segments take
// turns, as one unit's sum would wait for that of the one before.
class SegmentRows {
 public:
  // Chunks whose sums are added in float32, the rest in float64.
  static constexpr int64_t kChunksInFloats = 4;

  SegmentRows() = default;
  // lists [count, N] as ResamplePlan draws them, cut by `starts`, in chunks as they suit the first of them or
  // of so many rows.
  SegmentRows(std::span<const int32_t> lists, int count, std::span<const int64_t> starts, ThreadPool& pool);
  SegmentRows(std::span<const int32_t> lists, int count, std::span<const int64_t> starts, int64_t chunk_rows,
              ThreadPool& pool);

  // The rows of a chunk that suit one list [N].
  static int64_t chunk_rows_for(std::span<const int32_t> list, std::span<const int64_t> starts);

  int segments() const { return segments_; }
  int64_t rows() const { return rows_; }
  int64_t chunk_rows() const { return chunk_rows_; }

  // The units of a replicate in a chunk, and where the rows begin in a tile.
  struct Units {
    std::span<const int32_t> segments;  // [units]
    std::span<const int32_t> places;    // [units, kUnit]
  };
  Units units(int replicate, int64_t chunk) const;

 private:
  struct Replicate {
    std::vector<int32_t> segments, places, begin;  // begin [chunks + 1] of a chunk's units
  };
  Replicate arrange(std::span<const int32_t> list, std::span<const int64_t> starts) const;

  int segments_ = 0;
  int64_t rows_ = 0, chunk_rows_ = 0, chunks_ = 0;
  std::vector<Replicate> replicates_;
};

}  // namespace committee::audit
