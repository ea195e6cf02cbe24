#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "paths.h"
#include "tokenizer/tokenizer.h"

namespace committee::tokenizer {

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(paths::kFixtures) / "tokenizer" / name;
}

inline std::vector<Json> read_lines(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<Json> records;
  for (std::string line; std::getline(file, line);) records.push_back(parse_json(line, path.string()));
  return records;
}

// A folder of its own for each test.
class InFolder : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) /
              (std::string("tokenizer_") + test->test_suite_name() + "_" + test->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Tokenizer load(const Json& tokenizer) {
    write_file(folder_ / "tokenizer.json", tokenizer.dump());
    return Tokenizer::load(folder_);
  }

  // What load() says about the text of a tokenizer.json, without the folder.
  std::string refusal(const std::string& text) {
    write_file(folder_ / "tokenizer.json", text);
    try {
      Tokenizer::load(folder_);
    } catch (const Error& error) {
      const std::string sentence = error.what(), prefix = folder_.string() + "/";
      return sentence.starts_with(prefix) ? sentence.substr(prefix.size()) : sentence;
    }
    return "accepted";
  }

  std::filesystem::path folder_;
};

// A byte-level tokenizer of few tokens: letters a to e and the space, "ab", "abc", " a" and the added token
// <x>.
inline Json small_tokenizer() {
  return parse_json(R"({
    "version": "1.0",
    "added_tokens": [{"id": 9, "content": "<x>", "single_word": false, "lstrip": false, "rstrip": false,
                      "normalized": false, "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
    "post_processor": null,
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE",
              "vocab": {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4, "\u0120": 5, "ab": 6, "abc": 7, "\u0120a": 8},
              "merges": ["a b", ["ab", "c"], "\u0120 a"]}
  })",
                    "small tokenizer");
}

}  // namespace committee::tokenizer
