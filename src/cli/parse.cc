#include "cli/parse.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

#include "base/error.h"

namespace committee::cli {
namespace {

// The digits at the start of `text`, which are taken from it; nothing where there are none or too many.
template <typename T>
bool take_number(std::string_view& text, T& value) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || (!text.empty() && text.front() == '-')) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

uint64_t parse_size(const std::string& text) {
  std::string_view rest = text;
  uint64_t number = 0;
  const bool read = take_number(rest, number);
  const auto unit = std::string_view("KMGT").find(rest.empty() ? '\0' : rest.front());
  const int shift = unit == std::string_view::npos ? 0 : 10 * (static_cast<int>(unit) + 1);
  if (shift > 0) rest.remove_prefix(1);
  if (!read || (!rest.empty() && rest != "B" && rest != "iB")) {
    throw Error("\"{}\" is not a size: write a number and K, M, G or T, as in 4G or 800M", text);
  }
  if (number > (std::numeric_limits<uint64_t>::max() >> shift))
    throw Error("\"{}\" is too large a size", text);
  return number << shift;
}

std::map<int, std::vector<int>> parse_expert_sets(const std::string& text) {
  std::map<int, std::vector<int>> sets;
  std::string_view rest = text;
  do {
    int layer = 0, expert = 0;
    if (!take_number(rest, layer) || !take(rest, ':')) {
      throw Error(
          "\"{}\" is not a list of experts: write LAYER:EXPERT,EXPERT;LAYER:EXPERT, as in 10:3,17;26:5",
          text);
    }
    do {
      if (!take_number(rest, expert)) throw Error("\"{}\": an expert id is missing in layer {}", text, layer);
      sets[layer].push_back(expert);
    } while (take(rest, ','));
  } while (take(rest, ';'));
  if (!rest.empty()) throw Error("\"{}\": \"{}\" is not part of a list of experts", text, rest);
  for (auto& [layer, experts] : sets) {
    std::sort(experts.begin(), experts.end());
    experts.erase(std::unique(experts.begin(), experts.end()), experts.end());
  }
  return sets;
}

std::string human_bytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < std::size(kUnits)) value /= 1000, ++unit;
  return fmt::format("{:.{}f} {}", value, value < 9.95 && unit > 0 ? 1 : 0, kUnits[unit]);
}

}  // namespace committee::cli
