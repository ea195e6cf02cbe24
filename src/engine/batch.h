#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/attention.h"
#include "engine/engine.h"
#include "engine/prefix_tree.h"

namespace committee::engine {

// A chunk of prompts as rows of one tree: where each token lies and what it attends to.
class Batch {
 public:
  // `first` is the index of the first of these sequences in the whole call. Prefixes are rows of their own in
  // every prompt unless `share`.
  Batch(std::span<const Sequence> sequences, size_t first, bool share);

  int64_t rows() const { return tree_.rows(); }
  const std::vector<int32_t>& tokens() const { return tree_.tokens(); }  // [rows]
  const std::vector<int64_t>& positions() const { return positions_; }   // [rows]
  std::span<const Sequence> sequences() const { return sequences_; }
  size_t first_sequence() const { return first_; }
  int64_t tokens_read() const;  // of all prompts, shared ones each time

  // What to record, by sample and position, and the row of each.
  const model::RecordedRows& recorded() const { return recorded_; }
  const std::vector<int64_t>& recorded_rows() const { return recorded_rows_; }
  // The row of every sequence's last token.
  const std::vector<int64_t>& last_rows() const { return last_rows_; }

  // Attention of the given rows (ascending, each once): query row i is rows[i].
  std::vector<QuerySpan> spans(std::span<const int64_t> rows) const;
  // The keys that a token following sequence s sees.
  std::vector<KeyRange> context(size_t sequence) const;

  // The first sequence that holds a row, and where.
  struct Place {
    int32_t sample = 0;
    int64_t position = 0;
  };
  Place place(int64_t row) const;

 private:
  std::vector<KeyRange> ancestors(int segment) const;

  std::span<const Sequence> sequences_;
  size_t first_;
  PrefixTree tree_;
  std::vector<std::vector<Run>> runs_;  // of each sequence
  std::vector<int64_t> positions_, recorded_rows_, last_rows_;
  model::RecordedRows recorded_;
};

}  // namespace committee::engine
