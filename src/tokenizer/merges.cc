#include "tokenizer/merges.h"

#include <bit>

namespace committee::tokenizer {
namespace {

constexpr uint32_t kNone = UINT32_MAX;
constexpr int32_t kMerged = -1;

}  // namespace

Merges::Merges(size_t count)
    : slots_(std::bit_ceil(count + count / 2 + 2)),
      mask_(slots_.size() - 1),
      shift_(64 - std::countr_zero(slots_.size())),
      filter_(std::bit_ceil(count / 8 + 1)),
      filter_shift_(64 - 6 - std::countr_zero(filter_.size())) {}

void Merges::add(int32_t left, int32_t right, Merge merge) {
  const uint64_t wanted = key(left, right);
  const uint64_t hash = hash_of(wanted);
  filter_[hash >> filter_shift_ >> 6] |= uint64_t{1} << (hash >> filter_shift_ & 63);
  size_t at = hash >> shift_;
  while (slots_[at].key != wanted && slots_[at].key != kFree) at = (at + 1) & mask_;
  slots_[at] = {wanted, merge};
}

void Merges::apply(Symbols& symbols, Scratch& scratch) const {
  auto& [ids, begins] = symbols;
  auto& [ranks, results, previous, next] = scratch;
  const auto size = static_cast<uint32_t>(ids.size());
  if (size < 2) return;
  ranks.reset(size);
  results.resize(size);
  previous.resize(size);
  next.resize(size);
  for (uint32_t i = 0; i < size; ++i) {
    previous[i] = i - 1;
    next[i] = i + 1;
    if (i + 1 == size) break;
    const Merge merge = find(ids[i], ids[i + 1]);
    ranks.prepare(i, merge.rank);
    results[i] = merge.result;
  }
  previous[0] = kNone;
  next[size - 1] = kNone;
  ranks.build();
  const auto set = [&](uint32_t left, const Merge& merge) {
    ranks.set(left, merge.rank);
    results[left] = merge.result;
  };
  for (auto lowest = ranks.lowest(); lowest.rank != kNever; lowest = ranks.lowest()) {
    const auto left = static_cast<uint32_t>(lowest.place);
    const uint32_t right = next[left], behind = next[right], before = previous[left];
    ids[left] = results[left];
    ids[right] = kMerged;
    next[left] = behind;
    if (behind != kNone) previous[behind] = left;
    // Both questions first: the processor waits for their memory at the same time.
    const Merge with_behind = behind == kNone ? Merge() : find(ids[left], ids[behind]);
    const Merge with_before = before == kNone ? Merge() : find(ids[before], ids[left]);
    ranks.set(right, kNever);
    set(left, with_behind);
    if (before != kNone) set(before, with_before);
  }
  uint32_t kept = 0;
  for (uint32_t i = 0; i < size; ++i) {
    if (ids[i] == kMerged) continue;
    ids[kept] = ids[i];
    begins[kept++] = begins[i];
  }
  ids.resize(kept);
  begins.resize(kept);
}

}  // namespace committee::tokenizer
