#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "cli/setup.h"
#include "model/routing.h"
#include "trace/writer.h"

namespace committee::cli {

// Records one arm of an experiment into a trace folder of its own, without outcomes. Rows of samples that an
// interrupted call left in whole shards are passed over, so that arms which got differently far can share a
// pass.
class TraceArm : public model::RoutingSink {
 public:
  // Of an arm that executes `top_k` experts. With `resume` goes on with what is there. The setup outlives it.
  TraceArm(const std::filesystem::path& folder, const Setup& setup, int top_k, const OutputFlags& output);

  bool lacks(int32_t sample) const { return !writer_->is_done(sample); }
  void finish();

  void begin_chunk(const model::RecordedRows& rows) override;
  void record(const model::RoutingBatch& batch) override;
  void end_chunk() override;

 private:
  void add_samples_before(int64_t end);

  const Setup& setup_;
  std::unique_ptr<trace::TraceWriter> writer_;
  int top_k_, experts_;
  int64_t next_ = 0, end_ = 0;        // samples added so far, and those that the chunk ends
  std::vector<int64_t> kept_before_;  // [rows + 1] of the chunk: how many rows before it are recorded
};

}  // namespace committee::cli
