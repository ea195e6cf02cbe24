#include "tokenizer/rank_tree.h"

#include <algorithm>

namespace committee::tokenizer {
namespace {

template <size_t kWidth>
uint32_t minimum(const uint32_t* block) {
  uint32_t lowest = block[0];
  for (size_t i = 1; i < kWidth; ++i) lowest = std::min(lowest, block[i]);
  return lowest;
}

}  // namespace

void RankTree::reset(size_t n) {
  levels_.clear();
  size_t begin = 0;
  for (size_t count = n;; count = (count + kWidth - 1) / kWidth) {
    levels_.push_back(begin);
    begin += std::max<size_t>(1, (count + kWidth - 1) / kWidth) * kWidth;
    if (count <= kWidth) break;
  }
  nodes_.assign(begin, kNever);
}

void RankTree::build() {
  for (size_t level = 0; level + 1 < levels_.size(); ++level) {
    uint32_t* parent = &nodes_[levels_[level + 1]];
    for (size_t at = levels_[level]; at < levels_[level + 1]; at += kWidth) {
      *parent++ = minimum<kWidth>(&nodes_[at]);
    }
  }
}

void RankTree::set(size_t place, uint32_t rank) {
  nodes_[place] = rank;
  for (size_t level = 0; level + 1 < levels_.size(); ++level) {
    place /= kWidth;
    uint32_t& parent = nodes_[levels_[level + 1] + place];
    const uint32_t lowest = minimum<kWidth>(&nodes_[levels_[level] + place * kWidth]);
    if (parent == lowest) return;
    parent = lowest;
  }
}

RankTree::Lowest RankTree::lowest() const {
  const uint32_t rank = minimum<kWidth>(&nodes_[levels_.back()]);
  size_t place = 0;
  for (size_t level = levels_.size(); level-- > 0;) {
    const uint32_t* block = &nodes_[levels_[level] + place * kWidth];
    place = place * kWidth + static_cast<size_t>(std::find(block, block + kWidth - 1, rank) - block);
  }
  return {place, rank};
}

}  // namespace committee::tokenizer
