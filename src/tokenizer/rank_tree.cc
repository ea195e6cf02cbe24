#include "tokenizer/rank_tree.h"

#include <algorithm>

namespace committee::tokenizer {
namespace {

// Four minima side by side, so that none waits for the one before.
uint32_t minimum_of_16(const uint32_t* block) {
  uint32_t a = block[0], b = block[1], c = block[2], d = block[3];
  for (size_t i = 4; i < 16; i += 4) {
    a = std::min(a, block[i]);
    b = std::min(b, block[i + 1]);
    c = std::min(c, block[i + 2]);
    d = std::min(d, block[i + 3]);
  }
  return std::min(std::min(a, b), std::min(c, d));
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
      *parent++ = minimum_of_16(&nodes_[at]);
    }
  }
}

void RankTree::set(size_t place, uint32_t rank) {
  nodes_[place] = rank;
  for (size_t level = 0; level + 1 < levels_.size(); ++level) {
    place /= kWidth;
    uint32_t& parent = nodes_[levels_[level + 1] + place];
    const uint32_t lowest = minimum_of_16(&nodes_[levels_[level] + place * kWidth]);
    if (parent == lowest) return;
    parent = lowest;
  }
}

RankTree::Lowest RankTree::lowest() const {
  const uint32_t rank = minimum_of_16(&nodes_[levels_.back()]);
  size_t place = 0;
  for (size_t level = levels_.size(); level-- > 0;) {
    const uint32_t* block = &nodes_[levels_[level] + place * kWidth];
    place = place * kWidth + static_cast<size_t>(std::find(block, block + kWidth - 1, rank) - block);
  }
  return {place, rank};
}

}  // namespace committee::tokenizer
