#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/tensor.h"

namespace committee::trace {

// A numpy array where it lies in a file (NPY format 1.0 to 3.0), C or Fortran order.
struct NpyArray {
  std::string name;      // for errors
  std::string key = {};  // in its archive; "" in an NPY file
  model::DType dtype = model::DType::kF32;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides = {};  // in elements
  const std::byte* data = nullptr;
  int64_t size = 0;  // elements

  // The element at a distance in elements (a sum of index · stride) from the first. Integers beyond 2^53 lose
  // digits.
  double value(int64_t element) const;
};

// Of a C-order array of `size` elements; all 0 where it has none.
std::vector<int64_t> row_major_strides(const std::vector<int64_t>& shape, int64_t size);

// Checks the whole header; big-endian, structured and Python-object arrays are refused, and so are bytes that
// are missing or follow the data. The bytes must outlive the array.
NpyArray parse_npy(std::span<const std::byte> bytes, const std::string& name);

}  // namespace committee::trace
