#include "base/direct_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace committee {
namespace {

constexpr size_t kAtOnce = size_t{64} << 20;  // a reader that wakes up often waits for a core every time

}  // namespace

DirectFile::DirectFile(const std::filesystem::path& path)
    : path_(path),
      direct_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT)),
      cached_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (cached_ < 0) throw Error("{}: cannot open: {}", path.string(), std::strerror(errno));
}

DirectFile::DirectFile(DirectFile&& other) noexcept
    : path_(std::move(other.path_)),
      direct_(std::exchange(other.direct_, -1)),
      cached_(std::exchange(other.cached_, -1)) {}

DirectFile& DirectFile::operator=(DirectFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(direct_, other.direct_);
  std::swap(cached_, other.cached_);
  return *this;
}

DirectFile::~DirectFile() {
  for (const int fd : {direct_, cached_}) {
    if (fd >= 0) ::close(fd);
  }
}

std::span<const std::byte> DirectFile::read(size_t offset, size_t size, std::span<std::byte> room) const {
  const size_t before = offset % kBlock, begin = offset - before;
  const size_t end = (offset + size + kBlock - 1) / kBlock * kBlock;
  for (size_t at = begin; at < offset + size;) {
    const size_t got = read_some(at, room.subspan(at - begin, std::min(kAtOnce, end - at)));
    if (got == 0) throw Error("{}: ends before byte {}: truncated", path_.string(), offset + size);
    at += got;
  }
  return room.subspan(before, size);
}

size_t DirectFile::read_some(size_t offset, std::span<std::byte> to) const {
  const auto at = static_cast<off_t>(offset);
  ssize_t got = -1;
  // The last block of a file comes short; nothing after it is on a block's border.
  if (direct_ >= 0 && offset % kBlock == 0) got = ::pread(direct_, to.data(), to.size(), at);
  if (got < 0) {
    got = ::pread(cached_, to.data(), to.size(), at);
    if (got > 0) ::posix_fadvise(cached_, at, got, POSIX_FADV_DONTNEED);
  }
  if (got < 0) throw Error("{}: cannot read: {}", path_.string(), std::strerror(errno));
  return static_cast<size_t>(got);
}

}  // namespace committee
