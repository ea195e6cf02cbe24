#include "model/checkpoint.h"

#include <map>
#include <set>

#include "base/json.h"

namespace committee::model {

namespace fs = std::filesystem;

namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

// Nothing else may be reached from an index than files of its own folder.
bool plain_file_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string("/\\\0", 3)) == std::string::npos;
}

bool is_there(const fs::path& path) {
  std::error_code unreadable;
  return fs::exists(path, unreadable);
}

[[noreturn]] void no_weights(const fs::path& folder) {
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(folder, unreadable)) {
    const fs::path name = entry.path().filename();
    if (name.extension() == ".bin" || name.extension() == ".gguf" || name.extension() == ".pth") {
      throw Error(
          "{}: no {} and no {}, and {} is in a format that is not read: convert the checkpoint to "
          "safetensors",
          folder.string(), kSingle, kIndex, name.string());
    }
  }
  throw Error("{}: no weights: neither {} nor {} is there", folder.string(), kSingle, kIndex);
}

// Tensor name → shard.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const Json index = read_json(path);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    throw Error("{}: must hold an object with an object \"weight_map\"", path.string());
  }
  std::map<std::string, std::string> shards;
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    if (!shard.is_string())
      throw Error("{}: the shard of tensor \"{}\" must be a string", path.string(), tensor);
    const auto name = shard.get<std::string>();
    if (!plain_file_name(name)) {
      throw Error("{}: the shard of tensor \"{}\" must be the name of a file in this folder, found \"{}\"",
                  path.string(), tensor, name);
    }
    shards.emplace(tensor, name);
  }
  return shards;
}

}  // namespace

Checkpoint Checkpoint::open(const fs::path& folder) {
  Checkpoint result;
  result.folder_ = folder;
  if (is_there(folder / kSingle)) {
    result.add(folder / kSingle);
    return result;
  }
  const fs::path index = folder / kIndex;
  if (!is_there(index)) no_weights(folder);

  const auto shard_of = read_index(index);
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : shard_of) shards.insert(shard);
  result.files_.reserve(shards.size());
  for (const std::string& shard : shards) {
    if (!is_there(folder / shard)) {
      throw Error("{}: the shard is missing, {} names it", (folder / shard).string(), kIndex);
    }
    result.add(folder / shard);
  }
  for (const auto& [tensor, shard] : shard_of) {
    const Found* found = result.find(tensor);
    if (!found || result.files_[found->file].path().filename() != shard) {
      throw Error("{}: tensor \"{}\" is missing, {} says that it is there", (folder / shard).string(), tensor,
                  kIndex);
    }
  }
  return result;
}

void Checkpoint::add(const fs::path& path) {
  files_.push_back(SafetensorsFile::open(path));
  const size_t file = files_.size() - 1;
  by_name_.reserve(by_name_.size() + files_.back().tensors().size());
  for (const Tensor& tensor : files_.back().tensors()) {
    const auto [at, added] = by_name_.emplace(tensor.name, Found{&tensor, file});
    if (!added) {
      throw Error("{}: tensor \"{}\" is also in {}", path.string(), tensor.name,
                  files_[at->second.file].path().filename().string());
    }
  }
}

const Checkpoint::Found* Checkpoint::find(std::string_view name) const {
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? nullptr : &at->second;
}

}  // namespace committee::model
