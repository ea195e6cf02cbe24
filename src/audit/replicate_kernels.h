#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

// The inner loops of resampling, vectorised as those of kernels.h are. Float32 sums take the same terms in
// the same order on every processor.
namespace committee::audit::kernels {

// Floats a row of the tiles that the functions below take, row after row.
inline constexpr size_t kTileWidth = 16;

// Rows that are added together.
inline constexpr size_t kUnit = 8;

// sums[segments[u] · kTileWidth + c] += Σ_j tile[places[u · kUnit + j] + c] for units u, j < kUnit, c <
// kTileWidth, in float32.
void add_units(const float* tile, std::span<const int32_t> places, std::span<const int32_t> segments,
               float* sums);

// The most rows that are added in float32.
inline constexpr size_t kMostRows = 256;

// out[r · out_stride + t · kTileWidth + c] += Σ_i times[r · times_stride + i] · tile[t · next_tile + i ·
// kTileWidth + c] for r < count, t < tiles ≤ 2, c < kTileWidth, i < rows ≤ kMostRows: a product of count x
// rows by rows x columns in float32.
struct WeightedSums {
  const float* tile;
  size_t next_tile, tiles, rows;
  const float* times;
  size_t times_stride, count;
};
void add_weighted_rows(const WeightedSums& in, double* out, size_t out_stride);

// Replicates that the functions below take side by side.
inline constexpr size_t kLanes = 16;

// Two 16-bit numbers as one of 32 bits.
constexpr int32_t pair_of(int16_t first, int16_t second) {
  return static_cast<int32_t>(static_cast<uint32_t>(static_cast<uint16_t>(second)) << 16 |
                              static_cast<uint16_t>(first));
}

// Exact products of pairs: out[τ, i, lane] = Σ_p the dot product of a[i, p] and b[τ, p, lane], for a [rows,
// pairs], b [domains, pairs, kLanes], out [domains, rows, kLanes]. The sums must fit 32 bits.
void multiply_pairs(const int32_t* a, size_t rows, size_t pairs, const int32_t* b, size_t domains,
                    int32_t* out);

// Silhouettes of some samples in kLanes replicates at once. The distance from sample i to domain τ's mean
// direction is near[τ · near_stride + i] - base[τ, lane] - products[τ, i, lane] · row_scale[i] · scale[τ,
// lane]; to its own domain it is corrected for the sample's own copies. A sample's is (b - a) / max(a, b), 0
// where its domain holds nothing else. sums[τ, lane] += Σ_i copies · silhouette over the samples of τ, in
// float32.
struct SilhouetteSums {
  size_t rows, domains;
  const int32_t* products;  // [domains, rows, kLanes]
  const float* row_scale;   // [rows]
  const float* near;
  size_t near_stride;
  const float *base, *scale;  // [domains, kLanes]
  const float* counts;        // [domains] samples
  const int32_t* own;         // [rows] domain of the sample in all lanes, or nullptr:
  const int32_t* labels;      // [rows, kLanes] domain of the sample
  const float* copies;        // [rows, kLanes] how often the sample is drawn; nullptr: once
};
void add_silhouettes(const SilhouetteSums& in, float* sums);

// sums[c] += Σ_i rows[i · 2n + shifts[i] + c] for c < n, i < shifts.size() ≤ kMostRows: rows of n floats,
// doubled, each shifted in its own way; added in float32, then to sums in float64.
void add_shifted_rows(const float* rows, size_t n, std::span<const int32_t> shifts, double* sums);

}  // namespace committee::audit::kernels
