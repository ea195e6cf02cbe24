#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

namespace committee::engine {

// Rows [begin, begin + rows) of a batch, consecutive tokens of every sequence that passes through; they
// follow the last row of `parent` (-1: they begin a sequence). `position` is that of the first row.
struct Segment {
  int parent = -1;
  int64_t begin = 0;
  int64_t rows = 0;
  int64_t position = 0;
};

// Consecutive rows of one sequence.
struct Run {
  int segment = 0;
  int64_t begin = 0;  // row
  int64_t rows = 0;
};

// Token sequences as a tree in which a prefix that several share lies once. A row, once given, stays.
class PrefixTree {
 public:
  // How many rows add() would make.
  int64_t missing(std::span<const int32_t> tokens) const;
  void add(std::span<const int32_t> tokens);
  // A sequence that shares nothing, and that find() does not see.
  Run add_apart(std::span<const int32_t> tokens);

  int64_t rows() const { return static_cast<int64_t>(tokens_.size()); }
  const std::vector<int32_t>& tokens() const { return tokens_; }  // [rows]
  const std::vector<Segment>& segments() const { return segments_; }

  // Where a sequence that was added lies, from its first token to its last.
  std::vector<Run> find(std::span<const int32_t> tokens) const;

 private:
  struct Match {
    std::vector<Run> runs;
    int64_t tokens = 0;  // matched
  };
  Match match(std::span<const int32_t> tokens) const;
  void split(int segment, int64_t rows);

  std::vector<int32_t> tokens_;
  std::vector<Segment> segments_;
  std::map<std::pair<int, int32_t>, int> children_;  // (segment, first token) → segment
};

}  // namespace committee::engine
