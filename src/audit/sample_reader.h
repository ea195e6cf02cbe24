#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "audit/options.h"
#include "trace/reader.h"

namespace committee::audit {

// What a token's row says of a layer, as METHOD 2 names it: the recorded distribution G, G restricted to the
// executed experts and renormalised, or a count of one for each of these.
enum class VectorKind { kRouting, kExecuted, kSlots };

// One sample's vectors [layers, E] of the kinds that are wanted (pointers to where they go, nullptr: not
// wanted). Routing and executed are means over the sample's rows, slots are sums.
struct SampleVectors {
  double *routing = nullptr, *executed = nullptr, *slots = nullptr;
};

// A range of MoE layers, as indices.
struct LayerRange {
  int first = 0, count = 0;
};

// A trace's samples as vectors: the audited rows of each, averaged (slots are summed). Streams: only an index
// of where each sample's rows begin is kept. Throws Error where the trace does not hold the positions asked
// for.
class SampleReader {
 public:
  // `memory`: bytes that those who read may take, roughly.
  SampleReader(const trace::Trace& trace, Positions positions, int64_t memory);

  const trace::Trace& trace() const { return trace_; }
  const std::string& positions() const {
    return positions_;
  }  // as audited: last, all, content, generated, sample
  int64_t memory() const { return memory_; }
  int layers() const { return static_cast<int>(trace_.manifest().model.moe_layers.size()); }
  int experts() const { return trace_.manifest().model.experts; }

  // The samples with at least one audited row, in the trace's order.
  int64_t size() const { return static_cast<int64_t>(entries_.size()); }
  int32_t id(int64_t sample) const { return entries_[sample].id; }         // index into trace().samples()
  int64_t rows(int64_t sample) const { return entries_[sample].audited; }  // recorded tokens that are audited
  int64_t rows() const { return rows_; }
  int32_t last_token(int64_t sample) const { return entries_[sample].last_token; }  // of the audited rows

  // Tokens of a sample's audited rows, in order.
  std::vector<int32_t> tokens(int64_t sample) const;

  // How many of its audited rows come before the first of the sample's own words.
  int64_t template_rows(int64_t sample) const;

  bool has_executed() const;  // the trace names the executed experts

  // The vectors of one sample for a range of layers. Slots are top_k · shares a row where the source has
  // shares only. Thread-safe for distinct scratch.
  void read(int64_t sample, LayerRange layers, const SampleVectors& out,
            trace::Trace::Scratch& scratch) const;

  // The last audited row of a sample, as recorded.
  trace::RowBlock last_row(int64_t sample, trace::Trace::Scratch& scratch) const;

  int64_t shard_of(int64_t sample) const { return place(entries_[sample].begin).shard; }

  // Hint: rows of the samples [first, last) are not needed again soon.
  void drop(int64_t first, int64_t last) const;

 private:
  struct Entry {
    int64_t begin = 0, end = 0;     // global rows
    int64_t audited = 0, last = 0;  // how many of them count, and which is the last that does
    int32_t id = 0, last_token = 0;
  };
  struct Place {
    int64_t shard = 0, row = 0;
  };
  void index(bool last_only, bool content_only);
  Place place(int64_t global_row) const;
  void add_row(const trace::RowBlock& block, int64_t row, LayerRange layers, const SampleVectors& out) const;
  void add_executed(const float* probs, std::span<const uint16_t> ids, std::span<const float> weights,
                    const SampleVectors& out, size_t offset) const;

  const trace::Trace& trace_;
  std::string positions_;
  int64_t memory_;
  bool content_only_ = false;
  std::vector<Entry> entries_;
  std::vector<int64_t> shard_begin_;  // global row at which each shard begins, and the end
  int64_t rows_ = 0;
};

}  // namespace committee::audit
