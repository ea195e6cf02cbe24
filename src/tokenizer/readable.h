#pragma once

#include <string>
#include <string_view>

namespace committee::tokenizer {

// A token's bytes as one line for people: spaces as ␣, line feeds as ↵, tabs as ⇥, other control characters
// and bytes that are not valid UTF-8 as <0x1B>.
std::string readable(std::string_view bytes);

}  // namespace committee::tokenizer
