#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "base/error.h"

namespace committee {

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  // O_NONBLOCK: a named pipe is to be refused, not waited for.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) throw Error("{}: cannot open: {}", path.string(), std::strerror(errno));
  struct stat info {};
  void* data = nullptr;
  bool regular = false;
  int problem = 0;
  if (::fstat(fd, &info) != 0) {
    problem = errno;
  } else if (regular = S_ISREG(info.st_mode); regular && info.st_size > 0) {
    data = ::mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) problem = errno;
  }
  ::close(fd);
  if (problem != 0) throw Error("{}: cannot read: {}", path.string(), std::strerror(problem));
  if (!regular) throw Error("{}: not a regular file", path.string());
  bytes_ = {static_cast<const std::byte*>(data), static_cast<size_t>(info.st_size)};
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

namespace {

// Advises on the pages of file[offset, offset + size): mappings begin at a page.
void advise(std::span<const std::byte> file, size_t offset, size_t size, int advice, bool whole_pages_only) {
  static const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t begin = (whole_pages_only ? offset + page - 1 : offset) / page * page;
  const size_t end = whole_pages_only ? (offset + size) / page * page : offset + size;
  if (begin < end) ::madvise(const_cast<std::byte*>(file.data()) + begin, end - begin, advice);
}

}  // namespace

void MappedFile::will_need(size_t offset, size_t size) const {
  advise(bytes_, offset, size, MADV_WILLNEED, false);
}

void MappedFile::dont_need(size_t offset, size_t size) const {
  // Pages that were read twice count as worth keeping, and under a memory limit would push out those read
  // ahead.
  advise(bytes_, offset, size, MADV_COLD, true);
  advise(bytes_, offset, size, MADV_DONTNEED, true);
}

double MappedFile::in_memory(size_t offset, size_t size) const {
  static const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  constexpr size_t kSample = size_t{1} << 20, kStep = 16 * kSample;
  struct stat info {};
  // Of other files mincore() says that all of it is there.
  const bool told = (::stat(path_.c_str(), &info) == 0 && info.st_uid == ::geteuid()) ||
                    ::faccessat(AT_FDCWD, path_.c_str(), W_OK, AT_EACCESS) == 0;
  if (!told || size == 0) return 0;
  std::vector<unsigned char> pages(kSample / page);
  std::ptrdiff_t seen = 0, there = 0;
  for (size_t at = offset / page * page; at < offset + size; at += kStep) {
    const size_t part = std::min(kSample, offset + size - at);
    const auto end = pages.begin() + static_cast<std::ptrdiff_t>((part + page - 1) / page);
    if (::mincore(const_cast<std::byte*>(bytes_.data()) + at, part, pages.data()) != 0) return 0;
    seen += end - pages.begin();
    there += std::count_if(pages.begin(), end, [](unsigned char state) { return (state & 1) != 0; });
  }
  return static_cast<double>(there) / static_cast<double>(seen);
}

}  // namespace committee
