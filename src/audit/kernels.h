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

}  // namespace committee::audit::kernels
