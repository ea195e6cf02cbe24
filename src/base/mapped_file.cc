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

double MappedFile::in_memory() const {
  static const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  constexpr size_t kSample = size_t{1} << 20, kStep = 16 * kSample;
  std::vector<unsigned char> pages(kSample / page);
  size_t seen = 0, there = 0;
  for (size_t at = 0; at < bytes_.size(); at += kStep) {
    const size_t size = std::min(kSample, bytes_.size() - at), count = (size + page - 1) / page;
    if (::mincore(const_cast<std::byte*>(bytes_.data()) + at, size, pages.data()) != 0) return 0;
    seen += count;
    there +=
        static_cast<size_t>(std::count_if(pages.begin(), pages.begin() + static_cast<std::ptrdiff_t>(count),
                                          [](unsigned char state) { return (state & 1) != 0; }));
  }
  return seen == 0 ? 1 : static_cast<double>(there) / static_cast<double>(seen);
}

}  // namespace committee
