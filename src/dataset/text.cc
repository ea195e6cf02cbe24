#include "dataset/text.h"

#include <array>

namespace committee::dataset {
namespace {

// White space beyond ASCII, as UTF-8.
constexpr std::array<std::string_view, 19> kSpaces = {
    "\u0085", "\u00A0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
    "\u2007", "\u2008", "\u2009", "\u200A", "\u2028", "\u2029", "\u202F", "\u205F", "\u3000"};

bool is_ascii_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1C' && c <= '\x1F'); }

size_t leading_space(std::string_view text) {
  if (!text.empty() && is_ascii_space(text.front())) return 1;
  for (const auto space : kSpaces) {
    if (text.starts_with(space)) return space.size();
  }
  return 0;
}

size_t trailing_space(std::string_view text) {
  if (!text.empty() && is_ascii_space(text.back())) return 1;
  for (const auto space : kSpaces) {
    if (text.ends_with(space)) return space.size();
  }
  return 0;
}

}  // namespace

std::string_view strip(std::string_view text) {
  while (const size_t size = leading_space(text)) text.remove_prefix(size);
  while (const size_t size = trailing_space(text)) text.remove_suffix(size);
  return text;
}

std::string_view without_mark(std::string_view text) {
  constexpr std::string_view kMark = "\uFEFF";
  return text.starts_with(kMark) ? text.substr(kMark.size()) : text;
}

}  // namespace committee::dataset
