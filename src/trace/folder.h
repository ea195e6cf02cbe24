#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace committee::trace {

inline constexpr const char* kManifestFile = "trace.json";
inline constexpr const char* kSamplesFile = "samples.jsonl";
inline constexpr const char* kVerifyFile = "verify.json";       // of `capture --verify`
inline constexpr const char* kStabilityFile = "stability.csv";  // with adaptive sampling

// Files of the shard with 0-based index `shard`: records-00001.safetensors, and while the trace is not
// complete records-00001.json, which says that the shard is whole and keeps its lines of samples.jsonl.
std::string shard_file(int64_t shard);
std::string journal_file(int64_t shard);

// Whether a trace folder makes a file of that name, now or while it is written.
bool is_trace_file(std::string_view name);

// Removes what a trace writer left in `folder`, the manifest first, and nothing else.
void remove_trace_files(const std::filesystem::path& folder);

// Holds `folder` (made where it does not exist) for one process: throws Error while another one has it. The
// lock file goes with the object; the lock itself also with the process, however it ends.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

  // Lets processes that know `token` in beside this one: others still are held off, as long as any of them
  // lives.
  void share(const std::string& token);
  // Joins the process that shares `folder`; nullptr where that is not this folder (another machine's of the
  // same name).
  static std::unique_ptr<FolderLock> join(const std::filesystem::path& folder, const std::string& token);

 private:
  FolderLock(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd), owner_(false) {}

  std::filesystem::path path_;
  int fd_ = -1;
  bool owner_ = true;  // who has it last removes the file
};

// Whether the folder has entries beside the lock; with `own_only`, whether any of them is not a trace's.
bool is_empty_folder(const std::filesystem::path& folder);
bool has_foreign_files(const std::filesystem::path& folder);

}  // namespace committee::trace
