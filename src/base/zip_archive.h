#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace committee {

// A zip archive, of which members (stored or deflated) are unpacked one by one. Movable. Throws Error where
// the file is no archive, a member is damaged or encrypted, or its size or checksum is not what the archive
// says; and where all that was read unpacks to more than 64 times the file's size, as no honest archive does.
class ZipArchive {
 public:
  struct Member {
    std::string name;
    uint64_t size = 0;                      // bytes, unpacked
    uint64_t directory_offset = 0, at = 0;  // its entry in the archive's directory
  };

  explicit ZipArchive(const std::filesystem::path& path);

  const std::string& name() const { return name_; }
  const std::vector<Member>& members() const { return members_; }  // in the archive's order
  const Member* find(std::string_view member) const;

  std::vector<std::byte> read(const Member& member);

 private:
  struct Close {
    void operator()(void* archive) const;
  };

  std::string name_;
  std::unique_ptr<void, Close> archive_;
  std::vector<Member> members_;
  uint64_t most_ = 0, left_ = 0;  // bytes that may be unpacked in all, and still
};

}  // namespace committee
