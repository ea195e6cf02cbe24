#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"
#include "model/tensor.h"

namespace committee::model {

// One safetensors file, mapped. Layout (github.com/huggingface/safetensors): a little-endian u64 N; N bytes
// of JSON {"name": {"dtype", "shape", "data_offsets": [begin, end]}, …, "__metadata__": {string: string}};
// then the data that the offsets count from.
//
// open() checks every rule before anything is used and throws Error naming the file, the tensor and the rule:
// N ≤ 100 MB and inside the file; the header begins with '{' and is UTF-8 JSON of exactly that form, without
// duplicate names; dtypes are known; shapes and offsets are non-negative integers without overflow; begin ≤
// end ≤ the data's size; a tensor's size is its shape's; tensors cover the data without overlap or hole; and
// each lies at a multiple of its dtype's size.
class SafetensorsFile {
 public:
  static SafetensorsFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  const MappedFile& file() const { return file_; }
  const std::vector<Tensor>& tensors() const { return tensors_; }  // in the order of the data
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  // The tensor of that name, or nullptr.
  const Tensor* find(std::string_view name) const;
  // The same, but must be there with that dtype and number of dimensions.
  const Tensor& get(std::string_view name, DType dtype, size_t dimensions) const;

 private:
  SafetensorsFile() = default;

  MappedFile file_;
  std::vector<Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
  std::unordered_map<std::string_view, size_t> by_name_;  // views into tensors_
};

}  // namespace committee::model
