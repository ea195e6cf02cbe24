#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace committee {

// Byte offset of the first ill-formed UTF-8 sequence (overlong forms, surrogates and values above U+10FFFF
// included), or nothing where the text is well formed.
std::optional<size_t> find_invalid_utf8(std::string_view text);

// Byte offset of the first byte that is not ASCII, or the text's size.
size_t ascii_prefix(std::string_view text);

}  // namespace committee
