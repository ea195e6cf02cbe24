#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace committee::model {

// The rows that one chunk records, ordered by sample, then position. A row is one token of one sample.
struct RecordedRows {
  std::vector<int32_t> sample;    // index of the sample in the run
  std::vector<int32_t> position;  // of the token in its prompt, 0-based
  std::vector<int32_t> token;     // its id
  std::vector<uint8_t> content;   // 1 where the token is not the template's own

  int64_t size() const { return static_cast<int64_t>(sample.size()); }
};

// What the routers of one MoE layer gave for some rows of a chunk.
struct RoutingBatch {
  int layer = 0;          // index among the MoE layers, 0-based
  int64_t first_row = 0;  // of the chunk's RecordedRows
  int64_t rows = 0;
  std::span<const float> probs;        // [rows, experts]: G(x), the full distribution (METHOD 1)
  std::span<const uint16_t> topk_id;   // [rows, k]: the executed experts by weight descending
  std::span<const float> topk_weight;  // [rows, k]: the weights the model multiplies with
};

// Takes routing records as the engine makes them: chunk by chunk, within a chunk layer by layer (each layer's
// rows once, in any order, possibly from several threads at a time for disjoint rows).
class RoutingSink {
 public:
  virtual ~RoutingSink() = default;
  virtual void begin_chunk(const RecordedRows& rows) = 0;
  virtual void record(const RoutingBatch& batch) = 0;
  virtual void end_chunk() = 0;
};

}  // namespace committee::model
