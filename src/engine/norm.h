#pragma once

#include <cstdint>
#include <vector>

#include "engine/buffer.h"
#include "engine/machine.h"

namespace committee::engine {

// Thrown inside the engine where something of a row is no longer finite; the lowest such row.
struct NotFinite {
  int64_t row = 0;
  const char* what = "";
};

// out[i] = RMSNorm(x[first + i]) · weight for i in [0, rows); x float32, out of any type. Throws NotFinite.
void norm_rows(Machine& machine, const Matrix& x, int64_t first, int64_t rows,
               const std::vector<float>& weight, double eps, const Matrix& out);

}  // namespace committee::engine
