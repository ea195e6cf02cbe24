#pragma once

#include <string>
#include <string_view>
#include <vector>

// Text for terminals: UTF-8 measured in columns, whatever a data set put into its names.
namespace committee::report {

// `text` as one line that a terminal only prints: control characters (escape sequences among them) and what
// is not UTF-8 become '?'.
std::string printable(std::string_view text);

// Columns that `text` takes on a terminal (2 for wide characters, 0 for combining ones).
int display_width(std::string_view text);

// The first `width` columns, the last one "…" where something is cut.
std::string clip(std::string_view text, int width);

enum class Align { kLeft, kRight };
std::string pad(std::string_view text, int width, Align align);

// Lines of at most `width` columns, broken at spaces; a longer word has a line of its own.
std::vector<std::string> wrap(std::string_view text, int width);

// "7 12 31 +9": as many ids as fit into `width` columns and how many more there are. "–" for none. Ids that
// are also in `marked` have a '*'.
std::string short_set(const std::vector<int>& ids, int width, const std::vector<int>& marked = {});

// "one expert", "3 experts", "1,204 samples".
std::string counted(int64_t count, std::string_view singular);
std::string grouped_digits(int64_t number);

}  // namespace committee::report
