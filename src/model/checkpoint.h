#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/safetensors.h"

namespace committee::model {

// The weight files of a checkpoint folder as one set of tensors: model.safetensors, or
// model.safetensors.index.json and the shards that its weight_map names. open() throws Error for a missing
// file or shard, a shard name that is no plain file name, a tensor that is not in the shard it is said to be
// in or lies in two, and whatever SafetensorsFile refuses.
class Checkpoint {
 public:
  static Checkpoint open(const std::filesystem::path& folder);

  // A tensor and the index of the file it lies in.
  struct Found {
    const Tensor* tensor = nullptr;
    size_t file = 0;
  };

  const std::filesystem::path& folder() const { return folder_; }
  const std::vector<SafetensorsFile>& files() const { return files_; }
  size_t size() const { return by_name_.size(); }
  const Found* find(std::string_view name) const;

 private:
  void add(const std::filesystem::path& path);

  std::filesystem::path folder_;
  std::vector<SafetensorsFile> files_;
  std::unordered_map<std::string_view, Found> by_name_;  // views into the files' tensors
};

}  // namespace committee::model
