#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/capture.h"
#include "cli/prompts.h"
#include "engine/engine.h"
#include "model/weights.h"
#include "parallel/communicator.h"
#include "trace/writer.h"

namespace committee::cli {

// All that a capture is made of, checked, before anything is computed or written.
struct CaptureSetup {
  CaptureFlags flags;  // quiet on ranks that are not the first
  model::Model model;
  engine::RoutingPolicy policy;
  std::optional<tokenizer::Tokenizer> tokenizer;
  Prompts prompts;
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

// An engine's error with the sample's place in the data and its id.
std::string with_sample_name(const engine::SampleError& problem, const Prompts& prompts);

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
  int64_t prompts = 0, tokens = 0, rows = 0;
};

// The samples that are not recorded yet, and their tokens.
struct Pending {
  std::vector<engine::Sequence> sequences;
  int64_t tokens = 0;
};
Pending pending_of(const CaptureSetup& setup, const std::function<bool(int64_t sample)>& is_done);

// The ways in which ranks share a capture; one process is a special case of the first.
CaptureWork capture_by_prompts(const CaptureSetup& setup, const CaptureOutput& output,
                               parallel::Communicator& ranks);
CaptureWork capture_by_layers(const CaptureSetup& setup, const CaptureOutput& output,
                              parallel::Communicator& ranks);

}  // namespace committee::cli
