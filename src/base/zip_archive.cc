#include "base/zip_archive.h"

#include <minizip/unzip.h>

#include <algorithm>

#include "base/error.h"

namespace committee {
namespace {

constexpr uint64_t kMostUnpacked = 64;
constexpr uint64_t kAlwaysAllowed = uint64_t{4} << 20;
constexpr uint64_t kMostAtOnce = uint64_t{1} << 30;  // the library counts bytes in an int
constexpr uLong kEncrypted = 1;

}  // namespace

void ZipArchive::Close::operator()(void* archive) const { unzClose(archive); }

ZipArchive::ZipArchive(const std::filesystem::path& path)
    : name_(path.string()), archive_(unzOpen64(name_.c_str())) {
  if (!archive_) throw Error("{}: cannot be opened as a zip archive", name_);
  most_ = left_ = std::max(kAlwaysAllowed, std::filesystem::file_size(path) * kMostUnpacked);

  unz_global_info64 all;
  int status = unzGetGlobalInfo64(archive_.get(), &all);
  if (status == UNZ_OK && all.number_entry == 0) return;
  if (status == UNZ_OK) status = unzGoToFirstFile(archive_.get());
  for (; status == UNZ_OK; status = unzGoToNextFile(archive_.get())) {
    unz_file_info64 info;
    status = unzGetCurrentFileInfo64(archive_.get(), &info, nullptr, 0, nullptr, 0, nullptr, 0);
    if (status != UNZ_OK) break;
    Member& member = members_.emplace_back();
    member.size = info.uncompressed_size;
    member.name.resize(info.size_filename);
    unz64_file_pos place;
    status = unzGetCurrentFileInfo64(archive_.get(), nullptr, member.name.data(), info.size_filename, nullptr,
                                     0, nullptr, 0);
    if (status == UNZ_OK) status = unzGetFilePos64(archive_.get(), &place);
    if (status != UNZ_OK) break;
    member.directory_offset = place.pos_in_zip_directory;
    member.at = place.num_of_file;
    if ((info.flag & kEncrypted) != 0) {
      throw Error("{}: member \"{}\" is encrypted", name_, member.name);
    }
  }
  if (status != UNZ_END_OF_LIST_OF_FILE) {
    throw Error("{}: the archive's directory is damaged at entry {}", name_, members_.size());
  }
}

const ZipArchive::Member* ZipArchive::find(std::string_view member) const {
  const auto found =
      std::find_if(members_.begin(), members_.end(), [&](const Member& m) { return m.name == member; });
  return found == members_.end() ? nullptr : &*found;
}

std::vector<std::byte> ZipArchive::read(const Member& member) {
  if (member.size > left_) {
    throw Error("{}: unpacks to more than {} bytes, at member \"{}\"", name_, most_, member.name);
  }
  left_ -= member.size;
  const unz64_file_pos place{member.directory_offset, member.at};
  if (unzGoToFilePos64(archive_.get(), &place) != UNZ_OK || unzOpenCurrentFile(archive_.get()) != UNZ_OK) {
    throw Error("{}: member \"{}\" cannot be unpacked", name_, member.name);
  }
  std::vector<std::byte> bytes(member.size);
  size_t filled = 0;
  while (filled < bytes.size()) {
    const auto got = unzReadCurrentFile(archive_.get(), bytes.data() + filled,
                                        static_cast<unsigned>(std::min(bytes.size() - filled, kMostAtOnce)));
    if (got <= 0) break;
    filled += static_cast<size_t>(got);
  }
  // Closing compares the checksum, where all has been read.
  if (unzCloseCurrentFile(archive_.get()) != UNZ_OK || filled < bytes.size()) {
    throw Error("{}: member \"{}\" is truncated or damaged", name_, member.name);
  }
  return bytes;
}

}  // namespace committee
