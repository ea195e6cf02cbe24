#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/mapped_file.h"

namespace committee {
namespace {

namespace fs = std::filesystem;
using testing::StartsWith;

class Files : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              ("files_test_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::string content(const fs::path& path) {
    std::stringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }

  size_t files() const { return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {})); }

  fs::path folder_;
};

template <typename Call>
std::string refusal(Call call) {
  try {
    call();
  } catch (const Error& problem) {
    return problem.what();
  }
  return "accepted";
}

using AtomicFileTest = Files;
using MappedFileTest = Files;

TEST_F(AtomicFileTest, AppearsWholeOnCommit) {
  const auto path = folder_ / "a.txt";
  AtomicFile file(path);
  file.write("one ");
  file.write(std::string(1 << 20, 'x'));
  EXPECT_FALSE(fs::exists(path));
  file.commit();
  EXPECT_EQ(content(path), "one " + std::string(1 << 20, 'x'));
  EXPECT_EQ(files(), 1u);
}

TEST_F(AtomicFileTest, ReplacesOnlyOnCommit) {
  const auto path = folder_ / "a.txt";
  write_file(path, "old");
  {
    AtomicFile file(path);
    file.write("new");
  }
  EXPECT_EQ(content(path), "old");
  EXPECT_EQ(files(), 1u) << "the partial file is removed";
  write_file(path, "new");
  EXPECT_EQ(content(path), "new");
}

TEST_F(AtomicFileTest, MapsAndShrinks) {
  const auto path = folder_ / "a.bin";
  AtomicFile file(path);
  const auto bytes = file.map(10000);
  ASSERT_EQ(bytes.size(), 10000u);
  std::memset(bytes.data(), 'y', 6000);
  file.shrink(6000);
  file.commit();
  EXPECT_EQ(content(path), std::string(6000, 'y'));

  AtomicFile whole(path);
  std::memset(whole.map(5).data(), 'z', 5);
  whole.commit();
  EXPECT_EQ(content(path), "zzzzz");

  AtomicFile empty(path);
  EXPECT_TRUE(empty.map(0).empty());
  empty.commit();
  EXPECT_EQ(content(path), "");
}

TEST_F(AtomicFileTest, NoFolder) {
  const auto path = folder_ / "absent" / "a.txt";
  EXPECT_EQ(refusal([&] { AtomicFile file(path); }),
            path.string() + ": cannot create: No such file or directory");
}

TEST_F(AtomicFileTest, FolderRemovedBeforeCommit) {
  const auto path = folder_ / "gone" / "a.txt";
  fs::create_directories(path.parent_path());
  AtomicFile file(path);
  file.write("x");
  fs::remove_all(path.parent_path());
  EXPECT_EQ(refusal([&] { file.commit(); }), path.string() + ": cannot rename: No such file or directory");
  EXPECT_EQ(files(), 0u);
}

TEST_F(AtomicFileTest, NameTakenByAFolderLeavesNothingElse) {
  const auto path = folder_ / "taken";
  fs::create_directories(path / "inside");
  AtomicFile file(path);
  file.write("x");
  EXPECT_THAT(refusal([&] { file.commit(); }), StartsWith(path.string() + ": cannot rename: "));
  EXPECT_EQ(files(), 1u);
}

TEST_F(AtomicFileTest, FullDiskIsAnErrorAndLeavesNothing) {
  const auto path = folder_ / "a.txt";
  fs::create_symlink("/dev/full", folder_ / "a.txt.partial");
  {
    AtomicFile file(path);
    EXPECT_EQ(refusal([&] { file.write("x"); }), path.string() + ": cannot write: No space left on device");
  }
  EXPECT_EQ(files(), 0u);
  fs::create_symlink("/dev/full", folder_ / "a.txt.partial");
  {
    AtomicFile file(path);
    EXPECT_THAT(refusal([&] { file.map(4096); }), StartsWith(path.string() + ": cannot reserve space: "));
  }
  EXPECT_EQ(files(), 0u);
}

TEST_F(MappedFileTest, ShowsTheBytes) {
  const auto path = folder_ / "a.txt";
  write_file(path, std::string(20000, 'a') + "end");
  MappedFile file(path);
  EXPECT_EQ(file.path(), path);
  EXPECT_EQ(file.text(), std::string(20000, 'a') + "end");
  file.will_need(1, 15000);
  file.dont_need(0, 20003);
  EXPECT_EQ(file.text(), std::string(20000, 'a') + "end") << "advice changes no byte";

  MappedFile moved(std::move(file));
  EXPECT_EQ(moved.bytes().size(), 20003u);
  MappedFile assigned;
  assigned = std::move(moved);
  EXPECT_EQ(assigned.text().substr(20000), "end");
}

TEST_F(MappedFileTest, TellsWhichPagesAreInMemory) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const auto path = folder_ / "a.bin";
  write_file(path, std::string(16 * page + 1, 'a'));
  const MappedFile file(path);
  EXPECT_EQ(file.in_memory(), 1) << "just written";
  EXPECT_EQ(file.in_memory(page - 1, 2), 1);
  EXPECT_EQ(file.in_memory(5, 0), 0) << "of nothing";
  const int fd = ::open(path.c_str(), O_RDONLY);
  ::fdatasync(fd);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  const bool forgotten = file.in_memory() == 0;
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);  // nothing is read around
  char byte = 0;
  EXPECT_EQ(::pread(fd, &byte, 1, static_cast<off_t>(8 * page)), 1);
  ::close(fd);
  if (!forgotten) GTEST_SKIP() << "the file system keeps its files in memory";
  EXPECT_EQ(file.in_memory(), 1 / 17.0);
  EXPECT_EQ(file.in_memory(8 * page - 1, 2), 0.5);
  EXPECT_EQ(file.in_memory(8 * page + 5, 1), 1);
  EXPECT_EQ(file.in_memory(0, 8 * page), 0);
}

TEST_F(MappedFileTest, EmptyFile) {
  write_file(folder_ / "empty", "");
  const MappedFile file(folder_ / "empty");
  EXPECT_TRUE(file.bytes().empty());
  EXPECT_EQ(file.text(), "");
  file.will_need(0, 0);
}

TEST_F(MappedFileTest, RefusesWhatIsNoFile) {
  EXPECT_EQ(refusal([&] { MappedFile file(folder_ / "absent"); }),
            (folder_ / "absent").string() + ": cannot open: No such file or directory");
  EXPECT_EQ(refusal([&] { MappedFile file{folder_}; }), folder_.string() + ": not a regular file");
  const auto pipe = folder_ / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(refusal([&] { MappedFile file(pipe); }), pipe.string() + ": not a regular file");
}

}  // namespace
}  // namespace committee
