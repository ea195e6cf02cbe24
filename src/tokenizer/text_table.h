#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace committee::tokenizer {

// Texts by id and ids by text. Ids may leave gaps, which cost a few bytes each.
class TextTable {
 public:
  static constexpr int32_t kNone = -1;

  // Room for `count` texts of `bytes` bytes in all with ids below `ids`.
  TextTable(size_t count, size_t bytes, size_t ids);
  TextTable() : TextTable(0, 0, 0) {}

  // The id that already has this text, or kNone and the text is kept. `id` is not in the table.
  int32_t add(std::string_view text, int32_t id);

  int32_t find(std::string_view text) const;
  bool has(int32_t id) const {
    return id >= 0 && static_cast<size_t>(id) < places_.size() &&
           places_[static_cast<size_t>(id)].size != kGap;
  }
  // Empty for an id without text.
  std::string_view text(int32_t id) const;

  // The largest id + 1.
  int32_t size() const { return static_cast<int32_t>(places_.size()); }

 private:
  static constexpr uint32_t kGap = UINT32_MAX;
  struct Place {
    uint32_t begin = 0, size = kGap;
  };
  // An entry of the open-addressing table: `hash` is the upper half of the text's hash.
  struct Slot {
    uint32_t hash = 0;
    int32_t id = kNone;
  };

  // The slot of `text`, or the free one where it belongs.
  size_t slot(std::string_view text, uint64_t hash) const;

  std::string bytes_;
  std::vector<Place> places_;
  std::vector<Slot> slots_;  // a power of two, at most half of them taken
};

}  // namespace committee::tokenizer
