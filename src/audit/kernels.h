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

// out[0..16) = Σ_i tile[rows[i]·16 ..]: partial sums of up to 256 rows in float32, the rest in float64.
void sum_rows(const float* tile, std::span<const int32_t> rows, double* out);

// Columns of the products below are a multiple of this.
inline constexpr size_t kColumnBlock = 16;

// out [rows, columns] = a [rows, depth] · b [depth, columns], float32. columns % kColumnBlock == 0.
void multiply(const float* a, size_t rows, size_t depth, const float* b, size_t columns, float* out);

}  // namespace committee::audit::kernels
