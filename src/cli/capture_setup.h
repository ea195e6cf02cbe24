#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/capture.h"
#include "cli/setup.h"
#include "engine/engine.h"
#include "parallel/communicator.h"
#include "trace/writer.h"

namespace committee::cli {

// All that a capture is made of, checked, before anything is computed or written. Flags are quiet on ranks
// that are not the first.
struct CaptureSetup : Setup {
  CaptureSetup(const CaptureFlags& capture_flags, const parallel::Communicator& ranks);

  std::unique_ptr<engine::Engine> engine;
  trace::Manifest manifest;
  std::vector<int32_t> max_rows;  // the most rows each sample can have
  trace::ShardLimits limits;
};

// The same on all ranks, which is checked. Collective; throws SharedError on all of them.
std::unique_ptr<CaptureSetup> set_up_capture(const CaptureFlags& flags, parallel::Communicator& ranks);

// Where a capture's trace goes and what happens to one that is there.
struct CaptureOutput {
  std::filesystem::path trace;
  bool resume = false, overwrite = false;
};

std::unique_ptr<trace::TraceWriter> open_writer(const CaptureSetup& setup, const CaptureOutput& output);

// Between engine and trace: passes the records on, and adds what is known of the samples as soon as their
// chunk is over, so that whole shards reach the disk while the pass goes on.
class CaptureSink : public model::RoutingSink {
 public:
  CaptureSink(trace::TraceWriter& writer, const CaptureSetup& setup);

  void begin_chunk(const model::RecordedRows& rows) override;
  void record(const model::RoutingBatch& batch) override { writer_.record(batch); }
  void end_chunk() override { writer_.end_chunk(); }

  void score_sample(int32_t sample, std::span<const float> logits);

  // All samples below `end` that the trace does not hold yet.
  void add_samples_before(int64_t end);

 private:
  trace::TraceWriter& writer_;
  const Prompts& prompts_;
  const std::optional<tokenizer::Tokenizer>& tokenizer_;
  std::vector<trace::SampleInfo> infos_;
  int64_t next_ = 0;
};

// What was computed, of all ranks.
struct CaptureWork {
  int64_t prompts = 0, tokens = 0, computed_tokens = 0;
};

// The samples that are not recorded yet, and their tokens.
struct Pending {
  std::vector<engine::Sequence> sequences;
  int64_t tokens = 0;
};
Pending pending_of(const CaptureSetup& setup, const std::function<bool(int64_t sample)>& is_done);

// What a signal leaves to do.
std::string how_to_go_on(const parallel::Communicator& ranks);

// The layer or token that a pass is at.
std::string where_of(const engine::Progress& progress);

// The ways in which ranks share a capture; one process is a special case of the first.
CaptureWork capture_by_prompts(const CaptureSetup& setup, const CaptureOutput& output,
                               parallel::Communicator& ranks);
CaptureWork capture_by_layers(const CaptureSetup& setup, const CaptureOutput& output,
                              parallel::Communicator& ranks);

}  // namespace committee::cli
