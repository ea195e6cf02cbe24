#include "audit/tile_matrix.h"

#include <algorithm>

#include "audit/kernels.h"
#include "audit/replicate_kernels.h"

namespace committee::audit {
namespace {

constexpr int kListsAtOnce = 16;        // replicates that sum a chunk of a tile up while it is in the cache
constexpr int64_t kChunksInFloats = 4;  // chunks whose sums are added in float32, the rest in float64
constexpr int kTimesAtOnce = 48;        // replicates whose times of a block of rows stay in the cache

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

std::vector<double> TileMatrix::segment_sums(const SegmentRows& rows, int first, int count,
                                             ThreadPool& pool) const {
  const int64_t segments = rows.segments(), blocks = (count + kListsAtOnce - 1) / kListsAtOnce;
  std::vector<double> sums(count * segments * width());
  std::vector<std::vector<float>> scratch(pool.size());
  pool.for_each(tiles_ * blocks, [&](int64_t item, int worker) {
    const auto t = static_cast<int>(item / blocks), block = static_cast<int>(item % blocks) * kListsAtOnce;
    const int size = std::min(kListsAtOnce, count - block);
    std::vector<float>& partial = scratch[worker];
    for (int64_t c = 0; c < rows.chunks(); ++c) {
      if (c % kChunksInFloats == 0) partial.assign(size * segments * kWidth, 0.0F);
      for (int r = 0; r < size; ++r) {
        const auto [of, places] = rows.units(first + block + r, c);
        kernels::add_units(tile(t), places, of, &partial[r * segments * kWidth]);
      }
      if (c % kChunksInFloats < kChunksInFloats - 1 && c + 1 < rows.chunks()) continue;
      for (int64_t i = 0; i < size * segments; ++i) {
        kernels::add_widened({&partial[i * kWidth], kWidth},
                             &sums[(block * segments + i) * width() + t * kWidth]);
      }
    }
  });
  return sums;
}

std::vector<double> TileMatrix::weighted_sums(std::span<const float> times, int count,
                                              std::span<const int64_t> starts, ThreadPool& pool) const {
  const int64_t segments = static_cast<int64_t>(starts.size()) - 1;
  std::vector<double> sums(count * segments * width());
  const int64_t blocks = (count + kTimesAtOnce - 1) / kTimesAtOnce, strips = (tiles_ + 1) / 2;
  pool.for_each(strips * blocks, [&](int64_t item, int) {
    const auto t = static_cast<int>(item / blocks) * 2;
    const int64_t replicate = item % blocks * kTimesAtOnce;
    for (int64_t s = 0; s < segments; ++s) {
      double* out = &sums[(replicate * segments + s) * width() + t * kWidth];
      for (int64_t row = starts[s]; row < starts[s + 1]; row += kernels::kMostRows) {
        kernels::add_weighted_rows(
            {.tile = tile(t) + row * kWidth,
             .next_tile = static_cast<size_t>((rows_ + 1) * kWidth),
             .tiles = static_cast<size_t>(std::min(2, tiles_ - t)),
             .rows = std::min<size_t>(kernels::kMostRows, starts[s + 1] - row),
             .times = &times[replicate * rows_ + row],
             .times_stride = static_cast<size_t>(rows_),
             .count = static_cast<size_t>(std::min<int64_t>(kTimesAtOnce, count - replicate))},
            out, segments * width());
      }
    }
  });
  return sums;
}

}  // namespace committee::audit
