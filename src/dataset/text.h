#pragma once

#include <string_view>

namespace committee::dataset {

// `text` without the white space around it, which is what Python's str.strip() takes for it: Unicode's white
// space and the separators U+001C to U+001F. MMLU has a question that ends in U+0085.
std::string_view strip(std::string_view text);

// `text` without a UTF-8 byte order mark at its start.
std::string_view without_mark(std::string_view text);

}  // namespace committee::dataset
