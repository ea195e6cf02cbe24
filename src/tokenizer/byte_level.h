#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace committee::tokenizer {

// Byte-level vocabularies spell each byte as one character: printable Latin-1 bytes as themselves, the
// others, in ascending order, as U+0100, U+0101, …

// The bytes that `spelling` stands for; nothing where a character of it stands for no byte.
std::optional<std::string> bytes_of_spelling(std::string_view spelling);

// The character for a byte.
char32_t character_of_byte(unsigned char byte);

}  // namespace committee::tokenizer
