#pragma once

#include <cstddef>

namespace committee::engine {

// The number format that matrix products multiply in; they accumulate in float32 either way. Norms, softmax,
// routers and the residual stream are float32.
enum class Compute { kF32, kBF16 };

inline size_t size_of(Compute compute) { return compute == Compute::kF32 ? 4 : 2; }

// bf16 where this processor multiplies it natively (AVX512-BF16, AMX), else float32.
Compute best_compute();

// Whether it can be done here at all: bf16 needs AVX512.
bool can_compute(Compute compute);

}  // namespace committee::engine
