#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace committee {

// Uninitialised memory on a cache line's boundary that grows and never shrinks; its old content is lost when
// it grows. Large ones begin at a huge page and ask for such pages.
class Bytes {
 public:
  std::byte* reserve(size_t bytes) {
    if (bytes > capacity()) {
      memory_.reset();
      const size_t unit = unit_of(bytes), size = taken(bytes);
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

  // Bytes that all of them hold, and that one takes of which so many are asked for.
  static size_t held() { return held_; }
  static size_t taken(size_t bytes) {
    const size_t unit = unit_of(bytes);
    return (bytes + unit - 1) / unit * unit;
  }

 private:
  static constexpr size_t kLine = 64, kHuge = 2 << 20;
  struct Free {
    size_t size;
    void operator()(std::byte* p) const {
      std::free(p);
      held_ -= size;
    }
  };

  static size_t unit_of(size_t bytes) { return bytes < kHuge ? kLine : kHuge; }
  size_t capacity() const { return memory_ ? memory_.get_deleter().size : 0; }

  static inline std::atomic<size_t> held_ = 0;
  std::unique_ptr<std::byte, Free> memory_;
};

// Bytes that this process may take: what the machine has available, or the limit of a cgroup that it is in
// where that is lower.
size_t available_memory();

}  // namespace committee
