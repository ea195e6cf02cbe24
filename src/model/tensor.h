#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace committee::model {

// Every dtype of the safetensors format. The engine computes from F32, BF16 and F16; the others are known so
// that they can be read by trace importers or refused by name.
enum class DType {
  kF32,
  kBF16,
  kF16,
  kI32,
  kU16,
  kU8,
  kF64,
  kI64,
  kU64,
  kU32,
  kI16,
  kI8,
  kBool,
  kC64,
  kF8E4M3,
  kF8E5M2,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kF8E8M0,
  kF6E2M3,
  kF6E3M2,
  kF4,
};

int bits_of(DType type);
size_t size_of(DType type);  // in bytes; 0 where a value takes less than one
const char* name_of(DType type);
std::optional<DType> dtype_of(std::string_view name);

// A tensor where it lies in a mapped file, row-major. `data` is aligned to the dtype's size. The file
// outlives it.
struct Tensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  const std::byte* data = nullptr;
  size_t bytes = 0;

  explicit operator bool() const { return data != nullptr; }
};

// "[64, 2048]"
std::string format_shape(const std::vector<int64_t>& shape);

// y = x·Wᵀ (+ bias): weight [out, in], bias [out] or absent.
struct Linear {
  Tensor weight, bias;
};

}  // namespace committee::model
