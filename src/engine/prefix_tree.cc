#include "engine/prefix_tree.h"

#include <algorithm>

namespace committee::engine {

PrefixTree::Match PrefixTree::match(std::span<const int32_t> tokens) const {
  Match result;
  int at = -1;
  const int64_t count = static_cast<int64_t>(tokens.size());
  while (result.tokens < count) {
    const auto child = children_.find({at, tokens[static_cast<size_t>(result.tokens)]});
    if (child == children_.end()) break;
    at = child->second;
    const Segment& segment = segments_[static_cast<size_t>(at)];
    const auto begin = tokens_.begin() + segment.begin;
    const int64_t most = std::min(segment.rows, count - result.tokens);
    const int64_t same = std::mismatch(begin, begin + most, tokens.begin() + result.tokens).first - begin;
    result.runs.push_back({at, segment.begin, same});
    result.tokens += same;
    if (same < segment.rows) break;
  }
  return result;
}

int64_t PrefixTree::missing(std::span<const int32_t> tokens) const {
  return static_cast<int64_t>(tokens.size()) - match(tokens).tokens;
}

// The segment keeps its first rows; a new one with the rest takes over its children.
void PrefixTree::split(int segment, int64_t rows) {
  const int rest = static_cast<int>(segments_.size());
  Segment& head = segments_[static_cast<size_t>(segment)];
  const Segment tail{segment, head.begin + rows, head.rows - rows, head.position + rows};
  head.rows = rows;
  auto child = children_.lower_bound({segment, INT32_MIN});
  while (child != children_.end() && child->first.first == segment) {
    auto moved = children_.extract(child++);
    moved.key().first = rest;
    segments_[static_cast<size_t>(moved.mapped())].parent = rest;
    children_.insert(std::move(moved));
  }
  children_[{segment, tokens_[static_cast<size_t>(tail.begin)]}] = rest;
  segments_.push_back(tail);
}

void PrefixTree::add(std::span<const int32_t> tokens) {
  const Match found = match(tokens);
  const int64_t count = static_cast<int64_t>(tokens.size());
  if (found.tokens == count) return;
  int parent = -1;
  if (!found.runs.empty()) {
    const Run& last = found.runs.back();
    parent = last.segment;
    if (last.rows < segments_[static_cast<size_t>(parent)].rows) split(parent, last.rows);
  }
  const int added = static_cast<int>(segments_.size());
  segments_.push_back({parent, rows(), count - found.tokens, found.tokens});
  children_[{parent, tokens[static_cast<size_t>(found.tokens)]}] = added;
  tokens_.insert(tokens_.end(), tokens.begin() + found.tokens, tokens.end());
}

Run PrefixTree::add_apart(std::span<const int32_t> tokens) {
  const Run run{static_cast<int>(segments_.size()), rows(), static_cast<int64_t>(tokens.size())};
  segments_.push_back({-1, run.begin, run.rows, 0});
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  return run;
}

std::vector<Run> PrefixTree::find(std::span<const int32_t> tokens) const { return match(tokens).runs; }

}  // namespace committee::engine
