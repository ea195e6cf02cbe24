#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "trace/npy.h"

namespace committee::trace {

// The numeric arrays of one .npy, .npz or .safetensors file. An NPY file has one, with the key "". Throws
// Error for files of another ending (Python pickles are named as what they are) and for a broken file; an
// archive that would unpack to far more than its own size is refused.
class ArrayFile {
 public:
  static ArrayFile open(const std::filesystem::path& path);
  ArrayFile(ArrayFile&&) noexcept;
  ArrayFile& operator=(ArrayFile&&) noexcept;
  ~ArrayFile();

  const std::string& name() const;  // the path
  const std::vector<NpyArray>& arrays() const;

  // The array of that key, or nullptr.
  const NpyArray* find(std::string_view key) const;

 private:
  struct State;
  explicit ArrayFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The endings that open() takes.
inline constexpr std::string_view kArrayEndings[] = {".npy", ".npz", ".safetensors"};

}  // namespace committee::trace
