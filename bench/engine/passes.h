#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "measure.h"

namespace committee::bench {

// A prefill of a full-size random checkpoint.
struct PassOptions {
  std::string shape = "olmoe";
  std::filesystem::path models;  // folder of the checkpoints, SHAPE-LAYERS each
  std::string positions = "all", compute = "bf16";
  int layers = 2, tokens = 2048, prompts = 16, shared = 0, threads = 2, repeat = 5;
  size_t memory_mb = 0;
  bool scores = false, share = true;
};

// Medians of the repeats; a first pass that reads the weights is not among them.
struct PassResult {
  Seconds took;
  double share = 0, processor_share = 0;  // of the roofline, by the clock and by processor time
  double roofline = 0;                    // GFLOP/s by the clock
  double opened = 0;                      // seconds of opening the model and starting the engine
  engine::Work work;                      // of the last repeat
  int64_t least_rows = 0, most_rows = 0;  // of an expert in a layer

  double tokens_per_second() const { return static_cast<double>(work.tokens) / took.clock; }
};

std::vector<engine::Sequence> random_prompts(const PassOptions& options, int vocab);

// Throws Error where the recorded distributions are not what distributions are.
PassResult run_pass(const PassOptions& options);

// The checkpoint of a shape and number of layers, made where it is not there yet.
std::filesystem::path checkpoint_of(const PassOptions& options);

// Sums what it is given, so that nothing is left out, and counts the rows of every expert.
class Sum : public model::RoutingSink {
 public:
  explicit Sum(const model::ModelConfig& config);
  void begin_chunk(const model::RecordedRows& rows) override;
  void record(const model::RoutingBatch& batch) override;
  void end_chunk() override {}

  void check() const;  // throws Error unless distributions sum to 1 and every row was recorded
  const std::vector<int64_t>& loads() const { return loads_; }  // [layers, experts]

 private:
  size_t experts_;
  std::mutex mutex_;
  std::vector<int64_t> loads_;
  double total_ = 0;
  int64_t rows_ = 0, expected_ = 0;
};

}  // namespace committee::bench
