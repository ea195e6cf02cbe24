#include "audit/tile_matrix.h"

#include <algorithm>

#include "audit/kernels.h"
#include "audit/replicate_kernels.h"

namespace committee::audit {
namespace {

constexpr int kListsAtOnce = 16;  // replicates that sum a chunk of a tile up while it is in the cache
constexpr int kTimesAtOnce = 48;  // replicates whose times of a block of rows stay in the cache

}  // namespace

TileMatrix::TileMatrix(int64_t rows, int columns)
    : rows_(rows), tiles_((columns + kWidth - 1) / kWidth), data_((rows + 1) * tiles_) {
  static_assert(kWidth == kernels::kTileWidth);
}

void TileMatrix::set_row(int64_t row, std::span<const float> values) {
  for (size_t first = 0; first < values.size(); first += kWidth) {
    const auto part = values.subspan(first, std::min<size_t>(kWidth, values.size() - first));
    std::copy(part.begin(), part.end(), &at(row, static_cast<int>(first)));
  }
}

void TileMatrix::get_row(int64_t row, std::span<float> values) const {
  for (size_t first = 0; first < values.size(); first += kWidth) {
    const size_t count = std::min<size_t>(kWidth, values.size() - first);
    std::copy_n(tile(static_cast<int>(first / kWidth)) + row * kWidth, count, &values[first]);
  }
}

std::vector<double> TileMatrix::segment_sums(const SegmentRows& rows, int first, int count,
                                             ThreadPool& pool) const {
  std::vector<double> sums(count * int64_t{rows.segments()} * width());
  add_segment_sums(rows, first, count, {0, rows_}, pool, sums);
  return sums;
}

void TileMatrix::add_segment_sums(const SegmentRows& rows, int first, int count, RowRange block,
                                  ThreadPool& pool, std::span<double> sums) const {
  const int64_t segments = rows.segments(), lists = (count + kListsAtOnce - 1) / kListsAtOnce;
  const int64_t begin = block.begin / rows.chunk_rows();
  const int64_t end = (block.end + rows.chunk_rows() - 1) / rows.chunk_rows();
  std::vector<std::vector<float>> scratch(pool.size());
  pool.for_each(tiles_ * lists, [&](int64_t item, int worker) {
    const auto t = static_cast<int>(item / lists), list = static_cast<int>(item % lists) * kListsAtOnce;
    const int size = std::min(kListsAtOnce, count - list);
    std::vector<float>& partial = scratch[worker];
    for (int64_t c = begin; c < end; ++c) {
      if (c % SegmentRows::kChunksInFloats == 0) partial.assign(size * segments * kWidth, 0.0F);
      for (int r = 0; r < size; ++r) {
        const auto [of, places] = rows.units(first + list + r, c);
        kernels::add_units(tile(t), places, of, &partial[r * segments * kWidth]);
      }
      if ((c + 1) % SegmentRows::kChunksInFloats != 0 && c + 1 < end) continue;
      for (int64_t i = 0; i < size * segments; ++i) {
        kernels::add_widened({&partial[i * kWidth], kWidth},
                             &sums[(list * segments + i) * width() + t * kWidth]);
      }
    }
  });
}

std::vector<double> TileMatrix::weighted_sums(std::span<const float> times, int count,
                                              std::span<const int64_t> starts, ThreadPool& pool) const {
  std::vector<double> sums(count * (static_cast<int64_t>(starts.size()) - 1) * width());
  add_weighted_sums(times, count, starts, {0, rows_}, pool, sums);
  return sums;
}

void TileMatrix::add_weighted_sums(std::span<const float> times, int count, std::span<const int64_t> starts,
                                   RowRange block, ThreadPool& pool, std::span<double> sums) const {
  const int64_t segments = static_cast<int64_t>(starts.size()) - 1;
  const int64_t blocks = (count + kTimesAtOnce - 1) / kTimesAtOnce, strips = (tiles_ + 1) / 2;
  pool.for_each(strips * blocks, [&](int64_t item, int) {
    const auto t = static_cast<int>(item / blocks) * 2;
    const int64_t replicate = item % blocks * kTimesAtOnce;
    for (int64_t s = 0; s < segments; ++s) {
      double* out = &sums[(replicate * segments + s) * width() + t * kWidth];
      const int64_t end = std::min(starts[s + 1], block.end);
      for (int64_t row = std::max(starts[s], block.begin); row < end; row += kernels::kMostRows) {
        kernels::add_weighted_rows(
            {.tile = tile(t) + row * kWidth,
             .next_tile = static_cast<size_t>((rows_ + 1) * kWidth),
             .tiles = static_cast<size_t>(std::min(2, tiles_ - t)),
             .rows = std::min<size_t>(kernels::kMostRows, end - row),
             .times = &times[replicate * rows_ + row],
             .times_stride = static_cast<size_t>(rows_),
             .count = static_cast<size_t>(std::min<int64_t>(kTimesAtOnce, count - replicate))},
            out, segments * width());
      }
    }
  });
}

}  // namespace committee::audit
