#include "trace/folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/error.h"

namespace committee::trace {
namespace {

constexpr const char* kLockFile = "trace.lock";

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code problem;
  for (std::filesystem::directory_iterator at(folder, problem), end; !problem && at != end;
       at.increment(problem)) {
    if (at->path().filename() != kLockFile) names.push_back(at->path().filename().string());
  }
  if (problem) throw Error("{}: cannot list the folder: {}", folder.string(), problem.message());
  return names;
}

}  // namespace

std::string shard_file(int64_t shard) { return fmt::format("records-{:05}.safetensors", shard + 1); }
std::string journal_file(int64_t shard) { return fmt::format("records-{:05}.json", shard + 1); }

bool is_trace_file(std::string_view name) {
  constexpr std::string_view kPartial = ".partial", kPrefix = "records-";
  if (name == kLockFile) return true;
  if (name.ends_with(kPartial)) name.remove_suffix(kPartial.size());
  if (name == kManifestFile || name == kSamplesFile || name == kVerifyFile || name == kStabilityFile)
    return true;
  if (!name.starts_with(kPrefix)) return false;
  name.remove_prefix(kPrefix.size());
  const size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
  const auto ending = name.substr(digits);
  return digits >= 5 && (ending == ".safetensors" || ending == ".json");
}

void remove_trace_files(const std::filesystem::path& folder) {
  auto names = names_in(folder);
  std::erase_if(names, [](const std::string& name) { return !is_trace_file(name); });
  // Without its manifest nothing is taken for a trace, so a kill in between leaves none that looks whole.
  std::partition(names.begin(), names.end(), [](const std::string& name) { return name == kManifestFile; });
  for (const auto& name : names) {
    if (::unlink((folder / name).c_str()) != 0 && errno != ENOENT) {
      throw Error("{}: cannot remove: {}", (folder / name).string(), std::strerror(errno));
    }
  }
}

FolderLock::FolderLock(const std::filesystem::path& folder) : path_(folder / kLockFile) {
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem) throw Error("{}: cannot create the folder: {}", folder.string(), problem.message());
  for (;;) {
    const int fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) throw Error("{}: cannot create: {}", path_.string(), std::strerror(errno));
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const int reason = errno;
      ::close(fd);
      if (reason == EWOULDBLOCK) throw Error("{}: another process is writing this folder", folder.string());
      throw Error("{}: cannot lock: {}", path_.string(), std::strerror(reason));
    }
    // The file may have been removed by its last holder between open and lock: then this lock holds nobody
    // off.
    struct stat held {
    }, named{};
    if (::fstat(fd, &held) == 0 && ::stat(path_.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
        held.st_dev == named.st_dev) {
      fd_ = fd;
      return;
    }
    ::close(fd);
  }
}

FolderLock::~FolderLock() {
  if (fd_ < 0) return;
  if (owner_) ::unlink(path_.c_str());
  ::close(fd_);
}

void FolderLock::share(const std::string& token) {
  if (::pwrite(fd_, token.data(), token.size(), 0) != static_cast<ssize_t>(token.size()) ||
      ::fsync(fd_) != 0 || ::flock(fd_, LOCK_SH | LOCK_NB) != 0) {
    throw Error("{}: cannot be shared: {}", path_.string(), std::strerror(errno));
  }
}

std::unique_ptr<FolderLock> FolderLock::join(const std::filesystem::path& folder, const std::string& token) {
  const auto path = folder / kLockFile;
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return nullptr;
  std::unique_ptr<FolderLock> lock(new FolderLock(path, fd));
  std::string found(token.size() + 1, '\0');
  const ssize_t size = ::pread(fd, found.data(), found.size(), 0);
  if (size < 0 || std::string_view(found.data(), static_cast<size_t>(size)) != token) return nullptr;
  if (::flock(fd, LOCK_SH | LOCK_NB) != 0) {
    throw Error("{}: cannot lock: {}", path.string(), std::strerror(errno));
  }
  return lock;
}

bool is_empty_folder(const std::filesystem::path& folder) { return names_in(folder).empty(); }

bool has_foreign_files(const std::filesystem::path& folder) {
  const auto names = names_in(folder);
  return !std::all_of(names.begin(), names.end(),
                      [](const std::string& name) { return is_trace_file(name); });
}

}  // namespace committee::trace
