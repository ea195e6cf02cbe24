#include "trace/whole_trace.h"

#include <utility>

namespace committee::trace {

WholeTrace::WholeTrace(const std::filesystem::path& folder, Manifest manifest, std::vector<int32_t> max_rows,
                       Existing existing, const ShardLimits& limits)
    : folder_(folder),
      existed_(std::filesystem::exists(folder)),
      writer_(TraceWriter::create(folder, std::move(manifest), std::move(max_rows), existing, limits)) {}

WholeTrace::~WholeTrace() {
  if (!writer_) return;
  writer_.reset();
  try {
    remove_trace_files(folder_);
    if (!existed_) std::filesystem::remove(folder_);
  } catch (const std::exception&) {
    // The error that led here is the one to report; what stays says that it is not complete.
  }
}

Manifest WholeTrace::finish() {
  auto manifest = writer_->finish();
  writer_.reset();
  return manifest;
}

}  // namespace committee::trace
