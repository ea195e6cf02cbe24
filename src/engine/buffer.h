#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "engine/compute.h"

namespace committee::engine {

// Uninitialised memory on a cache line's boundary that grows and never shrinks; its old content is lost when
// it grows.
class Bytes {
 public:
  std::byte* reserve(size_t bytes) {
    if (bytes > capacity_) {
      memory_.reset();
      capacity_ = (bytes + kLine - 1) / kLine * kLine;
      memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kLine, capacity_)));
      if (!memory_) throw std::bad_alloc();
    }
    return memory_.get();
  }
  template <typename T>
  T* reserve_as(int64_t count) {
    return reinterpret_cast<T*>(reserve(static_cast<size_t>(count) * sizeof(T)));
  }
  std::byte* data() const { return memory_.get(); }

 private:
  static constexpr size_t kLine = 64;
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  size_t capacity_ = 0;
};

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
