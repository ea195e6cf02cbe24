#include "report/text.h"

#include <utf8proc.h>

#include <algorithm>

namespace committee::report {

namespace {

struct Character {
  std::string_view bytes;
  int32_t code = -1;  // -1: not UTF-8
};

// The character that `text`, not empty, begins with.
Character first_character(std::string_view text) {
  int32_t code = -1;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size()), &code);
  if (size <= 0) return {text.substr(0, 1), -1};
  return {text.substr(0, static_cast<size_t>(size)), code};
}

int width_of(const Character& character) {
  return character.code < 0 ? 1 : utf8proc_charwidth(character.code);
}

bool is_control(int32_t code) {
  const auto category = utf8proc_category(code);
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
         category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP ||
         category == UTF8PROC_CATEGORY_CS;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const Character character = first_character(text);
    if (character.code == '\n' || character.code == '\t') {
      line += ' ';
    } else if (character.code < 0 || is_control(character.code)) {
      line += '?';
    } else {
      line += character.bytes;
    }
    text.remove_prefix(character.bytes.size());
  }
  return line;
}

int display_width(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const Character character = first_character(text);
    width += width_of(character);
    text.remove_prefix(character.bytes.size());
  }
  return width;
}

std::string clip(std::string_view text, int width) {
  if (display_width(text) <= width) return std::string(text);
  std::string head;
  for (int used = 0; !text.empty();) {
    const Character character = first_character(text);
    used += width_of(character);
    if (used > width - 1) break;
    head += character.bytes;
    text.remove_prefix(character.bytes.size());
  }
  return head + "…";
}

std::string pad(std::string_view text, int width, Align align) {
  const std::string space(static_cast<size_t>(std::max(0, width - display_width(text))), ' ');
  return align == Align::kLeft ? std::string(text) + space : space + std::string(text);
}

std::vector<std::string> wrap(std::string_view text, int width) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const auto word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    if (!line.empty() && display_width(line) + 1 + display_width(word) > width) {
      lines.push_back(std::move(line));
      line.clear();
    }
    if (!line.empty()) line += ' ';
    line += word;
  }
  if (!line.empty()) lines.push_back(std::move(line));
  return lines;
}

std::string short_set(const std::vector<int>& ids, int width, const std::vector<int>& marked) {
  if (ids.empty()) return "–";
  const auto name = [&](int id) {
    const bool mark = std::find(marked.begin(), marked.end(), id) != marked.end();
    return std::to_string(id) + (mark ? "*" : "");
  };
  std::string text;
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string next = (i > 0 ? " " : "") + name(ids[i]);
    const size_t left = ids.size() - i - 1;
    const std::string rest = left > 0 ? " +" + std::to_string(left) : "";
    if (i > 0 && static_cast<int>(text.size() + next.size() + rest.size()) > width) {
      return text + " +" + std::to_string(left + 1);
    }
    text += next;
  }
  return text;
}

std::string grouped_digits(int64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > (number < 0 ? 1 : 0); at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return digits;
}

std::string counted(int64_t count, std::string_view singular) {
  if (count == 1) return "one " + std::string(singular);
  return grouped_digits(count) + " " + std::string(singular) + "s";
}

}  // namespace committee::report
