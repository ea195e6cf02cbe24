#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace committee {

// Levenshtein's distance: single characters to insert, delete or change.
size_t edit_distance(std::string_view a, std::string_view b);

// The candidate most like `word`, for "did you mean …": the first of those at the least distance, letters'
// case aside, unless more than a third of the word (at least one character) differs: "" then.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace committee
