#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "engine/compute.h"

namespace committee::engine {

// Uninitialised memory on a cache line's boundary that grows and never shrinks; its old content is lost when
// it grows. Large ones ask for huge pages.
class Bytes {
 public:
  std::byte* reserve(size_t bytes) {
    if (bytes > capacity()) {
      memory_.reset();
      const size_t unit = bytes < kHuge ? kLine : kHuge, size = (bytes + unit - 1) / unit * unit;
      memory_ = {static_cast<std::byte*>(std::aligned_alloc(unit, size)), Free{size}};
      if (!memory_) throw std::bad_alloc();
      held_ += size;
      if (unit == kHuge) ::madvise(memory_.get(), size, MADV_HUGEPAGE);
    }
    return memory_.get();
  }
  template <typename T>
  T* reserve_as(int64_t count) {
    return reinterpret_cast<T*>(reserve(static_cast<size_t>(count) * sizeof(T)));
  }
  std::byte* data() const { return memory_.get(); }

  // Bytes that all of them hold.
  static size_t held() { return held_; }

 private:
  static constexpr size_t kLine = 64, kHuge = 2 << 20;
  struct Free {
    size_t size;
    void operator()(std::byte* p) const {
      std::free(p);
      held_ -= size;
    }
  };

  size_t capacity() const { return memory_ ? memory_.get_deleter().size : 0; }

  static inline std::atomic<size_t> held_ = 0;
  std::unique_ptr<std::byte, Free> memory_;
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
