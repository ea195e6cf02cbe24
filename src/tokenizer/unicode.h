#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tokenizer/code_points.h"

// Character classes as the parts of Hugging Face `tokenizers` 0.23 see them. Each part has its own Unicode
// version (regular expressions 16, Digits and Lowercase 17, normal forms 9, Punctuation 9), and all are
// reproduced, from utf8proc's tables and the differences in unicode_differences.h.
namespace committee::tokenizer {

// The set that \p{NAME} stands for: a general category by its short or long name ("Lu", "L", "Letter") or a
// script
// ("Han"); case, spaces, '-' and '_' do not count. Nothing for an unknown name. The sets live as long as the
// program.
const CodePoints* property(std::string_view name);

const CodePoints& white_space();
// \w of the pattern engine inside a class; outside it also takes ¹ ² ³ ¼ ½ ¾ (word_outside_class).
const CodePoints& word();
const CodePoints& word_outside_class();
// \w of the added tokens' single_word test and of the Whitespace pre-tokenizer.
const CodePoints& word_with_joiners();
const CodePoints& numeric();
const CodePoints& punctuation();
// Code points that the normal forms neither reorder, decompose nor compose.
const CodePoints& inert_in_normal_forms();

// The simple lowercase mapping.
char32_t lowercase(char32_t c);

}  // namespace committee::tokenizer
