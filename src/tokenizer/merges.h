#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/rank_tree.h"

namespace committee::tokenizer {

// The symbols of one word: token ids and the byte offset in the word at which each begins.
struct Symbols {
  std::vector<int32_t> ids;
  std::vector<uint32_t> begins;

  void clear() { ids.clear(), begins.clear(); }
  void add(int32_t id, size_t begin) {
    ids.push_back(id);
    begins.push_back(static_cast<uint32_t>(begin));
  }
};

// Byte-pair merges: of all neighbours that may merge, those of the lowest rank do first, the leftmost of them
// before the others, until none is left.
class Merges {
 public:
  static constexpr uint32_t kNever = RankTree::kNever;

  struct Merge {
    uint32_t rank = kNever;
    int32_t result = 0;
  };

  explicit Merges(size_t count = 0);

  // At most `count` times. A pair listed again takes the later rank.
  void add(int32_t left, int32_t right, Merge merge);

  // rank kNever where the two do not merge.
  Merge find(int32_t left, int32_t right) const {
    const uint64_t wanted = key(left, right);
    const uint64_t hash = hash_of(wanted);
    if ((filter_[hash >> filter_shift_ >> 6] >> (hash >> filter_shift_ & 63) & 1) == 0) return {};
    for (size_t at = hash >> shift_;; at = (at + 1) & mask_) {
      if (slots_[at].key == wanted) return slots_[at].merge;
      if (slots_[at].key == kFree) return {};
    }
  }

  struct Scratch {
    RankTree ranks;                        // of each symbol with the next
    std::vector<int32_t> results;          // what the two merge to
    std::vector<uint32_t> previous, next;  // neighbours among the symbols that are left
  };

  // Merges in place; n log n in the number of symbols.
  void apply(Symbols& symbols, Scratch& scratch) const;

 private:
  static constexpr uint64_t kFree = UINT64_MAX;
  struct Slot {
    uint64_t key = kFree;
    Merge merge;
  };

  static uint64_t key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  static uint64_t hash_of(uint64_t key) { return key * 0x9E3779B97F4A7C15u; }

  std::vector<Slot> slots_;  // open addressing, a power of two
  size_t mask_;
  int shift_;
  // A bit for each hash of a pair. Most pairs that are asked for do not merge: this says so from the cache,
  // where the table would have to come from memory.
  std::vector<uint64_t> filter_;
  int filter_shift_;
};

}  // namespace committee::tokenizer
