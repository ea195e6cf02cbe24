#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace committee {

// A file that appears under its name whole or not at all: written beside it as NAME.partial, synced and
// renamed by commit(). Without commit() the partial file is removed. Throws Error (disk full, read-only
// folder, …), naming the file.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

  // Reserves `size` bytes on the disk and maps them writable; the mapping lives until commit(). Once, instead
  // of write().
  std::span<std::byte> map(size_t size);

  // Keeps the first `size` bytes of what was mapped and ends the mapping.
  void shrink(size_t size);

  void commit();

 private:
  [[noreturn]] void fail(const char* doing) const;
  void end_mapping();

  std::filesystem::path path_, partial_;
  int fd_ = -1;
  std::span<std::byte> mapping_;
};

// The whole of a small file at once.
void write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace committee
