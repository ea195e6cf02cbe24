#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "base/memory.h"
#include "trace/manifest.h"

namespace committee::trace {

// Consecutive rows of one shard, as they lie in the file.
struct RowBlock {
  int64_t rows = 0;
  std::span<const int32_t> sample, position, token;  // [rows]; token -1 where an import's source has none
  std::span<const uint8_t> content;                  // [rows]
  std::span<const float> probs;        // [rows, L, E]; empty with Record::kTopK. F16 is widened.
  std::span<const uint16_t> topk_id;   // [rows, L, k]; empty with Executed::kNone
  std::span<const float> topk_weight;  // [rows, L, k]; empty unless Executed::kIdsAndWeights
};

// A trace folder opened for reading. Manifest, samples and the layout, order and sample indices of every
// shard are validated by open(); values (ids below E and distinct within a row and layer, probabilities
// finite and at least 0) and, at a shard's first read(), its checksum. Throws Error naming file and item; an
// unfinished trace is refused.
class Trace {
 public:
  static Trace open(const std::filesystem::path& folder);

  // The first `samples` samples of a trace that is still being written; they must fill whole shards that are
  // on disk. A later finish() makes other files of the folder than these.
  static Trace open_begun(const std::filesystem::path& folder, int64_t samples);
  Trace(Trace&&) noexcept;
  Trace& operator=(Trace&&) noexcept;
  ~Trace();

  const std::filesystem::path& folder() const;
  const Manifest& manifest() const;
  const std::vector<SampleInfo>& samples() const;  // index = RowBlock::sample's values
  std::span<const int32_t> sample_rows() const;    // how many rows each has
  int64_t rows() const;
  int64_t shards() const;
  int64_t shard_rows(int64_t shard) const;
  int64_t first_sample(
      int64_t shard) const;  // a shard holds all rows of manifest().shards[shard].samples samples

  // Rows [first, first + count) of a shard. Spans live as long as the block's buffers: `scratch` keeps
  // widened values and may be reused for the next call. Thread-safe for distinct scratch.
  struct Scratch {
    std::vector<float> probs, weights;
  };
  RowBlock read(int64_t shard, int64_t first, int64_t count, Scratch& scratch) const;

  // The same without probs and topk_weight, whose pages are not touched.
  RowBlock executed(int64_t shard, int64_t first, int64_t count) const;

  // sample, position, token and content of all rows of a shard, the rest empty: touches no other column.
  RowBlock labels(int64_t shard) const;

  // Has the kernel read a whole shard, or what labels() gives of it, into memory. Hints: without them a first
  // touch of a few pages reads megabytes around each.
  void will_need(int64_t shard) const;
  void will_need_labels(int64_t shard) const;

  // Compares a shard with the manifest's checksum (reads the whole file; its pages stay cached for read()).
  // Throws Error where they differ.
  void verify(int64_t shard) const;

  // Brings a whole shard into `memory`, past the page cache, from where it is read until release(). Neither
  // while another thread reads that shard. Throws Error where the disk fails.
  void hold(int64_t shard, Bytes& memory) const;
  void release(int64_t shard) const;

  // The share of a shard's pages that the page cache has.
  double in_memory(int64_t shard) const;

  // Compares a shard's checksum where that has not been done, as its first read() would.
  void prepare(int64_t shard) const;

  // Drops the pages of a shard's rows that have been read (a hint; keeps memory bounded while streaming).
  void drop(int64_t shard, int64_t first, int64_t count) const;

 private:
  struct State;
  static Trace opened(const std::filesystem::path& folder, Manifest manifest,
                      std::vector<SampleInfo> samples);
  explicit Trace(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace committee::trace
