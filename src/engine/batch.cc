#include "engine/batch.h"

#include <algorithm>

namespace committee::engine {

Batch::Batch(std::span<const Sequence> sequences, size_t first, bool share)
    : sequences_(sequences), first_(first) {
  for (const Sequence& sequence : sequences)
    share ? tree_.add(sequence.tokens) : runs_.push_back({tree_.add_apart(sequence.tokens)});
  for (size_t s = 0; share && s < sequences.size(); ++s) runs_.push_back(tree_.find(sequences[s].tokens));
  positions_.resize(static_cast<size_t>(tree_.rows()));
  for (const Segment& segment : tree_.segments()) {
    for (int64_t r = 0; r < segment.rows; ++r)
      positions_[static_cast<size_t>(segment.begin + r)] = segment.position + r;
  }
  for (size_t s = 0; s < sequences.size(); ++s) {
    const Sequence& sequence = sequences[s];
    const std::vector<Run>& runs = runs_[s];
    last_rows_.push_back(runs.back().begin + runs.back().rows - 1);
    size_t run = 0;
    int64_t before = 0;  // tokens in earlier runs
    for (const int32_t position : sequence.recorded) {
      while (position >= before + runs[run].rows) before += runs[run++].rows;
      recorded_rows_.push_back(runs[run].begin + position - before);
      recorded_.sample.push_back(sequence.sample);
      recorded_.position.push_back(position);
      recorded_.token.push_back(sequence.tokens[static_cast<size_t>(position)]);
      recorded_.content.push_back(sequence.content.empty() ? 1
                                                           : sequence.content[static_cast<size_t>(position)]);
    }
  }
}

int64_t Batch::tokens_read() const {
  int64_t count = 0;
  for (const Sequence& sequence : sequences_) count += static_cast<int64_t>(sequence.tokens.size());
  return count;
}

std::vector<KeyRange> Batch::ancestors(int segment) const {
  std::vector<KeyRange> ranges;
  const std::vector<Segment>& segments = tree_.segments();
  for (int at = segments[static_cast<size_t>(segment)].parent; at >= 0;
       at = segments[static_cast<size_t>(at)].parent)
    ranges.push_back({segments[static_cast<size_t>(at)].begin, segments[static_cast<size_t>(at)].rows});
  std::reverse(ranges.begin(), ranges.end());
  // A segment that was split lies in one piece with what follows it.
  std::vector<KeyRange> joined;
  for (const KeyRange& range : ranges) {
    if (!joined.empty() && joined.back().begin + joined.back().count == range.begin) {
      joined.back().count += range.count;
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

std::vector<QuerySpan> Batch::spans(std::span<const int64_t> rows) const {
  std::vector<int> by_row(static_cast<size_t>(tree_.rows()));
  const std::vector<Segment>& segments = tree_.segments();
  for (size_t s = 0; s < segments.size(); ++s)
    std::fill_n(by_row.begin() + segments[s].begin, segments[s].rows, static_cast<int>(s));
  std::vector<QuerySpan> spans;
  int last = -1;
  for (size_t i = 0; i < rows.size(); ++i) {
    const int segment = by_row[static_cast<size_t>(rows[i])];
    if (i > 0 && segment == last && rows[i] == rows[i - 1] + 1) {
      ++spans.back().rows;
      continue;
    }
    QuerySpan span{static_cast<int64_t>(i), 1, ancestors(segment),
                   segments[static_cast<size_t>(segment)].begin, 0};
    // Ancestors right before the segment are keys like its own.
    if (!span.context.empty() && span.context.back().begin + span.context.back().count == span.own_begin) {
      span.own_begin = span.context.back().begin;
      span.context.pop_back();
    }
    span.own_before = rows[i] - span.own_begin;
    spans.push_back(std::move(span));
    last = segment;
  }
  return spans;
}

std::vector<KeyRange> Batch::context(size_t sequence) const {
  const Run last = runs_[sequence].back();
  std::vector<KeyRange> ranges = ancestors(last.segment);
  ranges.push_back({last.begin, last.rows});
  return ranges;
}

Batch::Place Batch::place(int64_t row) const {
  for (size_t s = 0; s < runs_.size(); ++s) {
    int64_t before = 0;
    for (const Run& run : runs_[s]) {
      if (row >= run.begin && row < run.begin + run.rows)
        return {sequences_[s].sample, before + row - run.begin};
      before += run.rows;
    }
  }
  return {};
}

}  // namespace committee::engine
