#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace committee::tokenizer {

// Ranks of the places 0..n-1, kept as a tree of minima: setting one and finding the lowest take time log n.
class RankTree {
 public:
  static constexpr uint32_t kNever = UINT32_MAX;

  // n places of rank kNever.
  void reset(size_t n);

  // A rank before build(), which comes once, before the functions below.
  void prepare(size_t place, uint32_t rank) { nodes_[place] = rank; }
  void build();

  void set(size_t place, uint32_t rank);

  // The first of the places with the lowest rank; the rank is kNever where all are.
  struct Lowest {
    size_t place;
    uint32_t rank;
  };
  Lowest lowest() const;

 private:
  static constexpr size_t kWidth = 16;  // children of a node

  std::vector<uint32_t> nodes_;  // level by level, leaves first, each level in whole blocks of kWidth
  std::vector<size_t> levels_;   // where each level begins in nodes_; the last is one block
};

}  // namespace committee::tokenizer
