#pragma once

#include <cstddef>
#include <cstdint>

#include "base/memory.h"
#include "engine/compute.h"

namespace committee::engine {

// A row-major matrix of float32 or bf16 somewhere in memory, `stride` elements from row to row.
struct Matrix {
  void* data = nullptr;
  Compute type = Compute::kF32;
  int64_t stride = 0;

  void* at(int64_t row, int64_t column = 0) const {
    return static_cast<std::byte*>(data) + static_cast<size_t>(row * stride + column) * size_of(type);
  }
  float* floats(int64_t row, int64_t column = 0) const { return static_cast<float*>(at(row, column)); }
};

}  // namespace committee::engine
