#include "tokenizer/text_table.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <bit>

namespace committee::tokenizer {

TextTable::TextTable(size_t count, size_t bytes, size_t ids) : slots_(std::bit_ceil(2 * count + 2)) {
  bytes_.reserve(bytes);
  places_.reserve(ids);
}

size_t TextTable::slot(std::string_view text, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  while (slots_[at].id != kNone && (slots_[at].hash != hash >> 32 || this->text(slots_[at].id) != text)) {
    at = (at + 1) & mask;
  }
  return at;
}

int32_t TextTable::add(std::string_view text, int32_t id) {
  const uint64_t hash = XXH3_64bits(text.data(), text.size());
  Slot& place = slots_[slot(text, hash)];
  if (place.id != kNone) return place.id;
  place = {static_cast<uint32_t>(hash >> 32), id};
  if (static_cast<size_t>(id) >= places_.size()) places_.resize(static_cast<size_t>(id) + 1);
  places_[static_cast<size_t>(id)] = {static_cast<uint32_t>(bytes_.size()),
                                      static_cast<uint32_t>(text.size())};
  bytes_ += text;
  return kNone;
}

int32_t TextTable::find(std::string_view text) const {
  return slots_[slot(text, XXH3_64bits(text.data(), text.size()))].id;
}

std::string_view TextTable::text(int32_t id) const {
  if (!has(id)) return {};
  const Place& place = places_[static_cast<size_t>(id)];
  return std::string_view(bytes_).substr(place.begin, place.size);
}

}  // namespace committee::tokenizer
