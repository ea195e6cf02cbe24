#include "base/utf8.h"

#include <cstdint>
#include <cstring>

namespace committee {
namespace {

// Length of the well-formed sequence at the start of `text` (Unicode 15, table 3-7), 0 where there is none.
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const auto continues = [&](size_t i, uint8_t low = 0x80, uint8_t high = 0xBF) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool second = lead == 0xE0   ? continues(1, 0xA0)
                        : lead == 0xED ? continues(1, 0x80, 0x9F)
                                       : continues(1);
    return second && continues(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool second = lead == 0xF0   ? continues(1, 0x90)
                        : lead == 0xF4 ? continues(1, 0x80, 0x8F)
                                       : continues(1);
    return second && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

size_t ascii_prefix(std::string_view text) {
  constexpr size_t kWords = 4;
  size_t at = 0;
  for (; at + kWords * sizeof(uint64_t) <= text.size(); at += kWords * sizeof(uint64_t)) {
    uint64_t words[kWords];
    std::memcpy(words, text.data() + at, sizeof words);
    if (((words[0] | words[1] | words[2] | words[3]) & 0x8080808080808080u) != 0) break;
  }
  while (at < text.size() && static_cast<uint8_t>(text[at]) < 0x80) ++at;
  return at;
}

std::optional<size_t> find_invalid_utf8(std::string_view text) {
  for (size_t at = 0;;) {
    at += ascii_prefix(text.substr(at));
    if (at == text.size()) return std::nullopt;
    const size_t length = sequence_length(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
}

}  // namespace committee
