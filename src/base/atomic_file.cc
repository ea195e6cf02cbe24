#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace committee {

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)), partial_(path_) {
  partial_ += ".partial";
  fd_ = ::open(partial_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) fail("create");
}

AtomicFile::~AtomicFile() {
  if (!mapping_.empty()) ::munmap(mapping_.data(), mapping_.size());
  if (fd_ >= 0) {
    ::close(fd_);
    ::unlink(partial_.c_str());
  }
}

void AtomicFile::fail(const char* doing) const {
  const int problem = errno;
  throw Error("{}: cannot {}: {}", path_.string(), doing, std::strerror(problem));
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      fail("write");
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

std::span<std::byte> AtomicFile::map(size_t size) {
  if (size == 0) return {};
  // Reserved first: a full disk must be an error here and not a signal at the first touch of a page.
  if (const int problem = ::posix_fallocate(fd_, 0, static_cast<off_t>(size)); problem != 0) {
    errno = problem;
    fail("reserve space");
  }
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (data == MAP_FAILED) fail("map");
  mapping_ = {static_cast<std::byte*>(data), size};
  return mapping_;
}

void AtomicFile::end_mapping() {
  if (mapping_.empty()) return;
  if (::msync(mapping_.data(), mapping_.size(), MS_SYNC) != 0) fail("write");
  ::munmap(mapping_.data(), mapping_.size());
  mapping_ = {};
}

void AtomicFile::shrink(size_t size) {
  end_mapping();
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) fail("truncate");
}

void AtomicFile::commit() {
  end_mapping();
  if (::fsync(fd_) != 0) fail("sync");
  const bool closed = ::close(std::exchange(fd_, -1)) == 0;
  if (!closed || ::rename(partial_.c_str(), path_.c_str()) != 0) {
    const int problem = errno;
    ::unlink(partial_.c_str());
    errno = problem;
    fail(closed ? "rename" : "close");
  }
  const auto folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
  if (const int dir = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); dir >= 0) {
    ::fsync(dir);
    ::close(dir);
  }
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace committee
