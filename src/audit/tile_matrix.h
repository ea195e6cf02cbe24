#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "audit/segment_rows.h"
#include "base/thread_pool.h"

namespace committee::audit {

// Rows [begin, end).
struct RowRange {
  int64_t begin = 0, end = 0;
};

// A float32 matrix of N rows in column tiles of kernels::kTileWidth, the last one padded with zeros, and a
// row of zeros past the end.
class TileMatrix {
 public:
  TileMatrix(int64_t rows, int columns);

  int width() const { return tiles_ * kWidth; }  // columns with the padding
  float& at(int64_t row, int column) { return tile(column / kWidth)[row * kWidth + column % kWidth]; }
  void set_row(int64_t row, std::span<const float> values);

  void get_row(int64_t row, std::span<float> values) const;

  // Sums of rows by segment of the replicates [first, first + count): [count, segments, width()].
  std::vector<double> segment_sums(const SegmentRows& rows, int first, int count, ThreadPool& pool) const;

  // The same where a segment is the rows [starts[s], starts[s+1]) and times [count, N] says how often each
  // counts.
  std::vector<double> weighted_sums(std::span<const float> times, int count, std::span<const int64_t> starts,
                                    ThreadPool& pool) const;

  // Adds what the rows of `block` are in such sums. A block of segment rows is whole chunks.
  void add_segment_sums(const SegmentRows& rows, int first, int count, RowRange block, ThreadPool& pool,
                        std::span<double> sums) const;
  void add_weighted_sums(std::span<const float> times, int count, std::span<const int64_t> starts,
                         RowRange block, ThreadPool& pool, std::span<double> sums) const;

 private:
  static constexpr int kWidth = 16;
  // Aligned to a cache line, as a load that crossed one would take twice the time.
  struct alignas(64) Row {
    std::array<float, kWidth> values{};
  };

  const float* tile(int index) const { return data_[index * (rows_ + 1)].values.data(); }
  float* tile(int index) { return data_[index * (rows_ + 1)].values.data(); }

  int64_t rows_;
  int tiles_;
  std::vector<Row> data_;  // [tiles, N + 1]
};

}  // namespace committee::audit
