#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

// The inner loops of the audit, vectorised for the CPU at hand (Highway, run-time dispatch). Each result
// depends on its arguments alone, never on threads.
namespace committee::audit::kernels {

// (high, low)[i] += x[i] as ExactSum does.
void add_exact(std::span<const double> x, double* high, double* low);

// sum[i] += x[i], widened.
void add_widened(std::span<const float> x, double* sum);

// sum[i] += scale · x[i].
void add_scaled(std::span<const double> x, double scale, double* sum);

double dot(std::span<const double> a, const double* b);

// -Σ p ln p with 0 ln 0 = 0, p ≥ 0, to about 1e-15 relative.
double entropy(std::span<const double> p);

// Floats a row of the tiles that sum_rows takes.
inline constexpr size_t kTileWidth = 16;

// out[0..16) += Σ_i tile[rows[i]·16 ..]: partial sums of up to 256 rows in float32, the rest in float64.
void add_rows(const float* tile, std::span<const int32_t> rows, double* out);

// The most rows that add_weighted_rows sums in float32.
inline constexpr size_t kMostRows = 256;

// out[r · out_stride + c] += Σ_i times[r · times_stride + i] · tile[i·16 + c] for r < count, i < rows ≤
// kMostRows, c < 16: a product of count x rows by rows x 16.
void add_weighted_rows(const float* tile, size_t rows, const float* times, size_t times_stride, size_t count,
                       double* out, size_t out_stride);

// Columns of the products below are a multiple of this.
inline constexpr size_t kColumnBlock = 16;

// out [rows, columns] = a [rows, depth] · b [depth, columns], float32. columns % kColumnBlock == 0.
void multiply(const float* a, size_t rows, size_t depth, const float* b, size_t columns, float* out);

// Replicates that the functions below take side by side.
inline constexpr size_t kLanes = 16;

// Silhouettes of some samples in kLanes replicates at once. With distance d(i,τ) = offset[i] - base[τ] -
// products[τ,i]·inverse[τ] from sample i to domain τ's mean direction, its own domain's corrected for the
// sample's own copies: out[i] = (b - a) / max(a, b), 0 where a domain holds nothing else.
struct SilhouetteInput {
  size_t rows, domains;
  const float* products;  // [domains, rows, kLanes]
  const float* offset;    // [rows]
  const float* base;      // [domains, kLanes]
  const float* counts;    // [domains] samples
  const int32_t* labels;  // [rows, kLanes] domain of the sample
  const float* copies;    // [rows, kLanes] how often the sample is drawn
};
void silhouettes(const SilhouetteInput& input, float* out);

// sums[r, 0..n) += row[shifts[r] + (0..n)], r < shifts.size(): a row of 2n floats, doubled, shifted in
// several ways.
void add_shifted(const float* row, size_t n, std::span<const int32_t> shifts, float* sums);

}  // namespace committee::audit::kernels
