#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/nearest.h"
#include "model/weights.h"

namespace committee::model {

namespace fs = std::filesystem;

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// As huggingface_hub finds it.
fs::path hub_cache() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const std::string folder = environment(name); !folder.empty()) return folder;
  }
  if (const std::string home = environment("HF_HOME"); !home.empty()) return fs::path(home) / "hub";
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty()) {
    return fs::path(cache) / "huggingface" / "hub";
  }
  return fs::path(environment("HOME")) / ".cache" / "huggingface" / "hub";
}

// "name" or "org/name" of letters, digits, '-', '_' and '.', as the hub has them.
bool is_hub_id(const std::string& id) {
  const auto allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.' || c == '/';
  };
  return !id.empty() && id.front() != '/' && id.front() != '.' && id.back() != '/' &&
         std::count(id.begin(), id.end(), '/') <= 1 && id.find("..") == std::string::npos &&
         id.find("--") == std::string::npos && std::all_of(id.begin(), id.end(), allowed);
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool is_folder(const fs::path& path) {
  std::error_code unreadable;
  return fs::is_directory(path, unreadable);
}

std::vector<std::string> folder_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(folder, unreadable)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Hub ids in the cache whose name is near `id`: one holds the other, or a third of the letters differ at
// most.
std::vector<std::string> near_names(const fs::path& cache, const std::string& id) {
  std::vector<std::string> near;
  const auto base = [](const std::string& name) { return lower(name.substr(name.find('/') + 1)); };
  for (std::string name : folder_names(cache)) {
    if (!name.starts_with("models--")) continue;
    name = name.substr(8);
    if (const size_t at = name.find("--"); at != std::string::npos) {
      name = fmt::format("{}/{}", name.substr(0, at), name.substr(at + 2));
    }
    const std::string wanted = base(id), found = base(name);
    const bool contains = found.find(wanted) != std::string::npos || wanted.find(found) != std::string::npos;
    if (contains || 3 * edit_distance(wanted, found) <= wanted.size()) near.push_back(name);
  }
  return near;
}

fs::path find_snapshot(const fs::path& repository, const std::string& id, const std::string& revision) {
  if (fs::path snapshot = repository / "snapshots" / revision; is_folder(snapshot)) return snapshot;
  const fs::path ref = repository / "refs" / revision;
  std::error_code unreadable;
  if (!fs::is_regular_file(ref, unreadable)) {
    const auto there = folder_names(repository / "snapshots");
    throw Error("{}: no revision \"{}\" of {} in {}, which has {}", id, revision, id, repository.string(),
                there.empty() ? "no snapshots" : fmt::format("{}", fmt::join(there, ", ")));
  }
  const MappedFile file(ref);
  std::string hash(file.text().substr(0, 200));
  while (!hash.empty() && std::isspace(static_cast<unsigned char>(hash.back()))) hash.pop_back();
  const bool plain = !hash.empty() && std::all_of(hash.begin(), hash.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c));
  });
  if (!plain) throw Error("{}: must hold the name of a snapshot", ref.string());
  fs::path snapshot = repository / "snapshots" / hash;
  if (!is_folder(snapshot)) {
    throw Error("{}: names the snapshot {}, which is not in {}", ref.string(), hash,
                snapshot.parent_path().string());
  }
  return snapshot;
}

}  // namespace

fs::path find_model(const std::string& model) {
  std::error_code unreadable;
  if (fs::exists(model, unreadable)) return model;
  const size_t at = model.find('@');
  const std::string id = model.substr(0, at);
  const std::string revision = at == std::string::npos ? "main" : model.substr(at + 1);
  if (!is_hub_id(id) || !is_hub_id(revision)) throw Error("{}: no such folder", model);

  const fs::path cache = hub_cache();
  const size_t slash = id.find('/');
  const std::string folder = slash == std::string::npos
                                 ? fmt::format("models--{}", id)
                                 : fmt::format("models--{}--{}", id.substr(0, slash), id.substr(slash + 1));
  if (is_folder(cache / folder)) return find_snapshot(cache / folder, id, revision);

  const auto near = near_names(cache, id);
  throw Error("{}: neither a folder here nor a model in the Hugging Face cache {}{}", model, cache.string(),
              near.empty() ? "" : fmt::format(", which has {}", fmt::join(near, ", ")));
}

}  // namespace committee::model
