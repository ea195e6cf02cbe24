#pragma once

#include <cstdint>
#include <span>
#include <utility>

namespace committee {

// Splitmix64: the same numbers on every machine for a seed. Streams of different (seed, stream) pairs are
// independent, so that work items can be drawn in any order by any thread.
class Random {
 public:
  explicit Random(uint64_t seed, uint64_t stream = 0) : state_(mix(seed + mix(stream + kStep))) {}

  uint64_t next() { return mix(state_ += kStep); }

  // Uniform in [0, n), n > 0, without bias (Lemire's multiplication with rejection).
  uint64_t below(uint64_t n) {
    for (;;) {
      const auto product = static_cast<unsigned __int128>(next()) * n;
      const auto low = static_cast<uint64_t>(product);
      if (low >= n || low >= -n % n) return static_cast<uint64_t>(product >> 64);
    }
  }

  // Uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

  template <typename T>
  void shuffle(std::span<T> items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  static constexpr uint64_t kStep = 0x9E3779B97F4A7C15u;

  static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  }

  uint64_t state_;
};

}  // namespace committee
