#include "sandbox.h"

#include <fcntl.h>
#include <minizip/zip.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace committee::fuzz {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "fuzz: %s\n", why.c_str());
  std::abort();
}

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "committee-fuzz-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) give_up("no temporary folder");
    path = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

fs::path current;

}  // namespace

const fs::path& sandbox() { return current; }

void enter_sandbox_of(const std::string& target) {
  static const Folder folder;
  current = folder.path / target;
  fs::create_directories(current);
}

fs::path put(const std::string& name, std::string_view bytes) {
  const fs::path path = sandbox() / name;
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || ::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    give_up("cannot write " + path.string());
  }
  ::close(fd);
  return path;
}

void expect_only(const std::vector<std::string>& names) {
  for (const auto& entry : fs::directory_iterator(sandbox())) {
    const std::string name = entry.path().filename().string();
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      give_up("a file was written outside the output folder: " + name);
    }
  }
}

size_t take_choice(std::string_view& input, size_t count) {
  if (input.empty()) return 0;
  const auto choice = static_cast<unsigned char>(input.front()) % count;
  input.remove_prefix(1);
  return choice;
}

std::vector<std::string_view> cut(std::string_view input, size_t most) {
  constexpr std::string_view kMark = "--8<--\n";
  std::vector<std::string_view> parts;
  while (parts.size() + 1 < most) {
    const size_t at = input.find(kMark);
    if (at == std::string_view::npos) break;
    parts.push_back(input.substr(0, at));
    input.remove_prefix(at + kMark.size());
  }
  parts.push_back(input);
  return parts;
}

fs::path put_archive(const std::string& name, const std::vector<Member>& members) {
  const fs::path path = sandbox() / name;
  const zipFile archive = zipOpen64(path.c_str(), APPEND_STATUS_CREATE);
  if (!archive) give_up("cannot write " + path.string());
  constexpr int kStored = 0;
  for (const Member& member : members) {
    const bool written = zipOpenNewFileInZip(archive, member.name.c_str(), nullptr, nullptr, 0, nullptr, 0,
                                             nullptr, kStored, 0) == ZIP_OK &&
                         zipWriteInFileInZip(archive, member.bytes.data(),
                                             static_cast<unsigned>(member.bytes.size())) == ZIP_OK &&
                         zipCloseFileInZip(archive) == ZIP_OK;
    if (!written) give_up("cannot add to " + path.string());
  }
  if (zipClose(archive, nullptr) != ZIP_OK) give_up("cannot write " + path.string());
  return path;
}

void use(double) {}

}  // namespace committee::fuzz
