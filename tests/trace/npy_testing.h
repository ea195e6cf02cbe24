#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace committee::trace {

// The bytes of an NPY file (format 1.0).
template <typename T>
std::string npy_bytes(std::string_view descr, std::string_view shape, const std::vector<T>& values,
                      std::string_view fortran = "False") {
  std::string header = "{'descr': '" + std::string(descr) + "', 'fortran_order': " + std::string(fortran) +
                       ", 'shape': " + std::string(shape) + ", }";
  while ((header.size() + 11) % 64 != 0) header += ' ';
  header += '\n';
  std::string bytes = std::string("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size() % 256);
  bytes += static_cast<char>(header.size() / 256);
  bytes += header;
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  return bytes;
}

}  // namespace committee::trace
