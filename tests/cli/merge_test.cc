// Captures of parts, merged, against one capture of the whole.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/json.h"
#include "cli/tool.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    files[entry.path().filename().string()] = read_text(entry.path());
  }
  return files;
}

class MergeOfCaptures : public testing::Test {
 protected:
  // Lines [first, end) of 150 prompts in a file of the same name in a folder of its own.
  std::string prompts_of(const std::string& folder, int first, int end) const {
    std::string lines;
    for (int i = first; i < end; ++i) {
      lines += R"({"id":"q)" + std::to_string(i) + R"(","domain":"d)" + std::to_string(i / 40);
      lines += i % 2 == 0 ? R"(","question":"Is )" + std::to_string(i) +
                                R"( even?","choices":["yes","no"],"answer":0)"
                          : R"(","text":"a line of words )" + std::to_string(i) + R"(","source":"b")";
      lines += "}\n";
    }
    fs::create_directories(scratch_ / folder);
    return scratch_.file(folder + "/prompts.jsonl", lines);
  }
  void capture(const std::string& name, int first, int end, const Words& flags) const {
    Words words = {"capture", model_,          "--data",  prompts_of("data-" + name, first, end),
                   "-o",      scratch_ / name, "--quiet", "--compute",
                   "f32"};
    words.insert(words.end(), flags.begin(), flags.end());
    const auto outcome = run_tool(words);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  }
  void expect_equal(const Words& flags) const {
    for (const char* name : {"whole", "one", "two", "three", "merged"}) fs::remove_all(scratch_ / name);
    capture("whole", 0, 150, flags);
    capture("one", 0, 71, flags);
    capture("two", 71, 72, flags);
    capture("three", 72, 150, flags);
    const auto outcome = run_tool({"merge", scratch_ / "one", scratch_ / "two", scratch_ / "three", "-o",
                                   scratch_ / "merged", "--quiet"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto whole = files_of(scratch_ / "whole");
    EXPECT_TRUE(whole.contains("records-00003.safetensors"));
    EXPECT_EQ(files_of(scratch_ / "merged"), whole);
  }

  Scratch scratch_;
  const std::string model_ = scratch_.model();
};

TEST_F(MergeOfCaptures, EqualsOneCaptureOfAllToTheByte) {
  expect_equal({"--positions", "all"});
  expect_equal({"--positions", "last", "--record", "topk"});
  expect_equal({"--positions", "generated", "--max-new-tokens", "2", "--record-dtype", "f16"});
}

TEST_F(MergeOfCaptures, HasAllNamesWhereTheDataHaveSeveral) {
  capture("one", 0, 5, {});
  fs::rename(scratch_ / "data-one/prompts.jsonl", scratch_ / "first.jsonl");
  const std::string other = scratch_.file("second.jsonl", read_text(prompts_of("data-two", 5, 9)));
  ASSERT_EQ(run_tool({"capture", model_, "--data", other, "-o", scratch_ / "two", "-q", "--compute", "f32"})
                .exit_code,
            0);
  ASSERT_EQ(run_tool({"merge", scratch_ / "one", scratch_ / "two", "-o", scratch_ / "m", "-q"}).exit_code, 0);
  EXPECT_EQ(read_json(scratch_ / "m/trace.json").at("data").at("name"), "prompts.jsonl + second.jsonl");
}

}  // namespace
}  // namespace committee::cli
