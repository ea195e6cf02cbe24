#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace committee {

// A file mapped read-only for as long as the object lives. Movable. Throws Error where the file cannot be
// opened, is not a regular file, or cannot be mapped. An empty file maps to an empty span.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::filesystem::path& path() const { return path_; }
  std::span<const std::byte> bytes() const { return bytes_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }

  // Asks the kernel to read [offset, offset + size) ahead, or to drop those pages (whole pages inside the
  // range only). Hints: errors are ignored.
  void will_need(size_t offset, size_t size) const;
  void dont_need(size_t offset, size_t size) const;

  // The share of the pages of the file, or of [offset, offset + size), that the kernel has in memory, by the
  // first of every 16 MB; 0 where it does not tell: of files that this process neither owns nor may write.
  double in_memory() const { return in_memory(0, bytes_.size()); }
  double in_memory(size_t offset, size_t size) const;

 private:
  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

}  // namespace committee
