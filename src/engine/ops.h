#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/compute.h"
#include "model/config.h"
#include "model/tensor.h"

namespace committee::engine {

// Element-wise kernels on one row, vectorised by Highway for the processor at hand.

// out = x / sqrt(mean(x²) + eps) · weight. x may be out. False where mean(x²) is not finite.
bool rms_norm(const float* x, const float* weight, int64_t n, double eps, float* out);

// x += scale · y.
void add_scaled(float scale, const float* y, int64_t n, float* x);

// out = silu(gate) · up, rounded to `type`; silu(g) = g / (1 + exp(-g)).
void silu_mul(const float* gate, const float* up, int64_t n, Compute type, void* out);

// float32 to `type` (bf16: to the nearest, ties to even).
void store(const float* x, int64_t n, Compute type, void* out);

// Elements [begin, begin + n) of a tensor, in float32 or rounded to `type`.
void load(const model::Tensor& tensor, int64_t begin, int64_t n, float* out);
void convert(const model::Tensor& tensor, int64_t begin, int64_t n, Compute type, void* out);
std::vector<float> load_all(const model::Tensor& tensor);

void scale(float factor, int64_t n, float* x);
void clamp(float limit, int64_t n, float* x);
float max_of(const float* x, int64_t n);
bool all_finite(const float* x, int64_t n);

// out = exp(x · factor - shift) rounded to `type`; returns the sum before rounding.
float exp_row(const float* x, float factor, float shift, int64_t n, Compute type, void* out);

// In place; x may hold -inf, but not only.
void softmax(float* x, int64_t n);
void sigmoid(float* x, int64_t n);

// Index of the largest element, the first of equals.
int32_t arg_max(std::span<const float> x);

// Rotary position embedding: cos and sin of every position and frequency, [positions, dims / 2] each.
class RopeTable {
 public:
  RopeTable(const model::Rope& rope, int64_t positions);

  // Rotates the first `dims` of a head's vector in place.
  void rotate(int64_t position, float* head) const;

 private:
  model::RopePairing pairing_;
  int64_t half_;
  std::vector<float> cos_, sin_;
};

// The rotation per position of each pair (1 / base^(2i / dims), blended by YaRN where the model says so).
std::vector<double> rope_frequencies(const model::Rope& rope);

}  // namespace committee::engine
