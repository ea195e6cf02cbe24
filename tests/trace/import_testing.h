#pragma once

#include <gmock/gmock.h>

#include "paths.h"
#include "trace/import.h"
#include "trace_testing.h"

namespace committee::trace {

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(paths::kFixtures) / "trace" / name;
}

// Everything of a small trace, in one block.
struct WholeTraceRows {
  Trace trace;
  Trace::Scratch scratch;
  RowBlock rows;

  explicit WholeTraceRows(const std::filesystem::path& folder) : trace(Trace::open(folder)) {
    EXPECT_EQ(trace.shards(), 1);
    rows = trace.read(0, 0, trace.shard_rows(0), scratch);
  }
};

// The base of a test of one kind: a folder for inputs and one for the trace.
class ImportTest : public testing::Test {
 protected:
  explicit ImportTest(std::string kind) : kind_(std::move(kind)) {}

  void SetUp() override {
    input_ = test_folder("input");
    output_ = test_folder("trace");
    std::filesystem::create_directories(input_);
  }

  ImportResult import(const std::filesystem::path& input, const ImportOptions& options = {}) {
    return import_trace(kind_, input, output_, options);
  }

  // The sentence of a refused import, which leaves nothing behind.
  std::string refused(const std::filesystem::path& input, const ImportOptions& options = {}) {
    std::filesystem::remove_all(output_);
    const auto sentence = error_of([&] { import(input, options); });
    EXPECT_FALSE(std::filesystem::exists(output_)) << sentence;
    return sentence;
  }
  std::string refused_text(const std::string& name, std::string_view text,
                           const ImportOptions& options = {}) {
    write_text(input_ / name, text);
    const auto sentence = refused(input_ / name, options);
    std::filesystem::remove(input_ / name);
    return sentence;
  }

  std::string kind_;
  std::filesystem::path input_, output_;
};

}  // namespace committee::trace
