#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "trace/writer.h"

namespace committee::trace {

// A new trace that is made in one go, from files rather than a long run: without finish() everything that was
// written is removed again, and the folder too where it was new.
class WholeTrace {
 public:
  WholeTrace(const std::filesystem::path& folder, Manifest manifest, std::vector<int32_t> max_rows,
             Existing existing, const ShardLimits& limits = {});
  WholeTrace(const WholeTrace&) = delete;
  WholeTrace& operator=(const WholeTrace&) = delete;
  ~WholeTrace();

  TraceWriter& writer() { return *writer_; }
  Manifest finish();

 private:
  std::filesystem::path folder_;
  bool existed_;
  std::unique_ptr<TraceWriter> writer_;
};

}  // namespace committee::trace
