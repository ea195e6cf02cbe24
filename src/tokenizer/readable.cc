#include "tokenizer/readable.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace committee::tokenizer {

std::string readable(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const size_t valid = find_invalid_utf8(bytes).value_or(bytes.size());
    for (const char c : bytes.substr(0, valid)) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == ' ') {
        text += "␣";
      } else if (c == '\n') {
        text += "↵";
      } else if (c == '\t') {
        text += "⇥";
      } else if (byte < 0x20 || byte == 0x7F) {
        text += fmt::format("<0x{:02X}>", byte);
      } else {
        text += c;
      }
    }
    bytes.remove_prefix(valid);
    if (bytes.empty()) break;
    text += fmt::format("<0x{:02X}>", static_cast<unsigned char>(bytes.front()));
    bytes.remove_prefix(1);
  }
  return text;
}

}  // namespace committee::tokenizer
