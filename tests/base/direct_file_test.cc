#include "base/direct_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "base/error.h"

namespace committee {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class DirectFileTest : public testing::Test {
 protected:
  // A file of several blocks, whose last one is not full.
  void SetUp() override {
    path_ = fs::path(testing::TempDir()) /
            ("direct_file_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    for (size_t i = 0; i < 5 * DirectFile::kBlock + 123; ++i)
      text_ += static_cast<char>('a' + i * 31 % 23 + i / 4096);
    std::ofstream(path_, std::ios::binary) << text_;
  }
  void TearDown() override {
    std::error_code not_ours;
    fs::remove(path_, not_ours);
  }

  std::string read(size_t offset, size_t size) {
    const size_t room = DirectFile::room_for(size);
    auto* memory =
        static_cast<std::byte*>(std::aligned_alloc(DirectFile::kBlock, (room + 4095) / 4096 * 4096));
    const std::unique_ptr<std::byte, decltype(&std::free)> owner(memory, &std::free);
    const auto bytes = DirectFile(path_).read(offset, size, {memory, room});
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  std::string refusal(size_t offset, size_t size) {
    try {
      read(offset, size);
    } catch (const Error& problem) {
      return problem.what();
    }
    return "accepted";
  }

  fs::path path_;
  std::string text_;
};

TEST_F(DirectFileTest, ReadsFromAnyPlaceToAnyPlace) {
  const size_t end = text_.size();
  for (const size_t offset : {size_t{0}, size_t{1}, size_t{4095}, size_t{4096}, size_t{9000}, end - 1, end}) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{4096}, size_t{5000}, end - offset}) {
      if (offset + size > end) continue;
      EXPECT_EQ(read(offset, size), text_.substr(offset, size)) << offset << " " << size;
    }
  }
}

TEST_F(DirectFileTest, AFileThatEndsBeforeIsRefused) {
  const auto expected = AllOf(StartsWith(path_.string()), HasSubstr("truncated"));
  EXPECT_THAT(refusal(0, text_.size() + 1), expected);
  EXPECT_THAT(refusal(text_.size() + 10000, 1), expected);
  fs::remove(path_);
  EXPECT_THAT(refusal(0, 1), AllOf(StartsWith(path_.string()), HasSubstr("cannot open")));
}

TEST_F(DirectFileTest, FileSystemsWithoutDirectReadsAreReadAllTheSame) {
  fs::remove(path_);
  path_ = "/proc/self/comm";  // which refuses O_DIRECT
  EXPECT_EQ(read(0, 4), "test");
  EXPECT_EQ(read(2, 2), "st");
}

}  // namespace
}  // namespace committee
