#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "dataset/dataset.h"

namespace committee::dataset {

// A folder of the running test's own.
class InFolder : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) /
              (std::string("dataset_") + test->test_suite_name() + "_" + test->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& name, const std::string& text) const {
    const auto path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  // The data set of one file with that text.
  Dataset load_text(const std::string& name, const std::string& text) const {
    return load({.path = write(name, text)});
  }

  // What load() says of it, without the folder.
  std::string refusal(const DataOptions& options) const {
    try {
      load(options);
    } catch (const Error& problem) {
      std::string sentence = problem.what();
      const std::string folder = folder_.string() + "/";
      for (size_t at; (at = sentence.find(folder)) != std::string::npos;) sentence.erase(at, folder.size());
      return sentence;
    }
    return "accepted";
  }
  std::string refusal(const std::string& name, const std::string& text) const {
    return refusal({.path = write(name, text)});
  }

  std::filesystem::path folder_;
};

inline std::vector<std::string> ids(const Dataset& data) {
  std::vector<std::string> ids;
  for (const auto& sample : data.samples) ids.push_back(sample.id);
  return ids;
}

inline std::vector<std::string> domains(const Dataset& data) {
  std::vector<std::string> domains;
  for (const auto& sample : data.samples) domains.push_back(sample.domain);
  return domains;
}

}  // namespace committee::dataset
