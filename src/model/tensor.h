#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace committee::model {

enum class DType { kF32, kBF16, kF16, kI32, kU16, kU8 };

size_t size_of(DType type);
const char* name_of(DType type);

// A tensor where it lies in a mapped file, row-major. `data` may have any alignment that its dtype's size
// divides. The file outlives it.
struct Tensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  const std::byte* data = nullptr;
  size_t bytes = 0;

  explicit operator bool() const { return data != nullptr; }
};

// y = x·Wᵀ (+ bias): weight [out, in], bias [out] or absent.
struct Linear {
  Tensor weight, bias;
};

}  // namespace committee::model
