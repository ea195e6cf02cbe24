#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace committee {

// A regular file whose bytes are read past the page cache (direct I/O), which spares the kernel making,
// charging and taking back a page for every 4 KB; where its file system cannot, they are read through the
// cache and let go there. Movable. Throws Error where the file cannot be opened.
class DirectFile {
 public:
  static constexpr size_t kBlock = 4096;

  explicit DirectFile(const std::filesystem::path& path);
  DirectFile(DirectFile&& other) noexcept;
  DirectFile& operator=(DirectFile&& other) noexcept;
  ~DirectFile();

  // How large `room` must be for read() of so many bytes: whole blocks are read.
  static constexpr size_t room_for(size_t size) { return size + 2 * kBlock; }

  // The bytes [offset, offset + size), somewhere in `room`, which begins at a multiple of kBlock.
  // Thread-safe. Throws Error where they cannot be read or the file ends before.
  std::span<const std::byte> read(size_t offset, size_t size, std::span<std::byte> room) const;

 private:
  // What the file has from `offset` on, at most as many bytes as `to`; 0 at its end.
  size_t read_some(size_t offset, std::span<std::byte> to) const;

  std::filesystem::path path_;
  int direct_ = -1, cached_ = -1;  // descriptors; direct_ -1: the file system has no direct I/O
};

}  // namespace committee
