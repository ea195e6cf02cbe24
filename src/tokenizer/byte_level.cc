#include "tokenizer/byte_level.h"

#include <array>

#include "tokenizer/code_points.h"

namespace committee::tokenizer {
namespace {

constexpr char32_t kFirstOther = 0x100;

constexpr bool is_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
}

constexpr auto kCharacters = [] {
  std::array<char32_t, 256> characters{};
  char32_t other = kFirstOther;
  for (unsigned byte = 0; byte < 256; ++byte) characters[byte] = is_itself(byte) ? byte : other++;
  return characters;
}();

// The byte of a character, -1 where it has none.
constexpr auto kBytes = [] {
  std::array<int, 0x144> bytes{};
  for (int& byte : bytes) byte = -1;
  for (unsigned byte = 0; byte < 256; ++byte) bytes[kCharacters[byte]] = static_cast<int>(byte);
  return bytes;
}();

}  // namespace

std::optional<std::string> bytes_of_spelling(std::string_view spelling) {
  std::string bytes;
  bytes.reserve(spelling.size());
  for (size_t at = 0; at < spelling.size();) {
    const char32_t c = next_code_point(spelling, at);
    if (c >= kBytes.size() || kBytes[c] < 0) return std::nullopt;
    bytes += static_cast<char>(kBytes[c]);
  }
  return bytes;
}

char32_t character_of_byte(unsigned char byte) { return kCharacters[byte]; }

}  // namespace committee::tokenizer
