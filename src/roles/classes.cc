#include "roles/classes.h"

#include <algorithm>
#include <set>

#include "base/csv.h"
#include "base/error.h"

namespace committee::roles {
namespace {

constexpr size_t kMostClasses = 250;  // a row keeps its class in a byte
constexpr const char* kCommon = "common";
constexpr const char* kSpecific = "specific";
constexpr std::string_view kSpace = "\xE2\x90\xA3";  // ␣

}  // namespace

std::string class_key(std::string_view shown) {
  if (shown.starts_with(kSpace) && shown.size() > kSpace.size()) shown.remove_prefix(kSpace.size());
  std::string key(shown);
  for (char& c : key) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return key;
}

std::map<std::string, std::string> parse_classes(std::string_view csv, const std::string& name) {
  CsvReader reader(csv, name);
  const auto header = reader.next();
  if (!header || header->cells != std::vector<std::string>{"token", "class"}) {
    throw Error("{}: a word list begins with the header token,class", name);
  }
  std::map<std::string, std::string> class_of;
  while (const auto record = reader.next()) {
    if (record->cells.size() != 2 || record->cells[0].empty() || record->cells[1].empty()) {
      throw Error("{}:{}: a token and its class are needed", name, record->line);
    }
    if (record->cells[1] == kCommon || record->cells[1] == kSpecific) {
      throw Error("{}:{}: the class \"{}\" is for tokens of no list", name, record->line, record->cells[1]);
    }
    const auto [at, added] = class_of.try_emplace(class_key(record->cells[0]), record->cells[1]);
    if (!added && at->second != record->cells[1]) {
      throw Error("{}:{}: \"{}\" is in two classes, {} and {}", name, record->line, record->cells[0],
                  at->second, record->cells[1]);
    }
  }
  std::set<std::string> names;
  for (const auto& [word, of] : class_of) names.insert(of);
  if (names.size() > kMostClasses)
    throw Error("{}: has {} classes, more than {}", name, names.size(), kMostClasses);
  return class_of;
}

TokenClasses classify(const TokenRows& rows, const RolesOptions& options) {
  TokenClasses classes;
  if (options.text) {
    for (const auto& [word, name] : options.class_of_word) {
      if (std::find(classes.names.begin(), classes.names.end(), name) == classes.names.end()) {
        classes.names.push_back(name);
      }
    }
    std::sort(classes.names.begin(), classes.names.end());
  }
  const int common = static_cast<int>(classes.names.size());
  classes.names.insert(classes.names.end(), {kCommon, kSpecific});
  const auto& domains = rows.grouping().domains;
  for (size_t v = 0; v < rows.tokens().size(); ++v) {
    const int32_t first = rows.first_pair()[v], end = rows.first_pair()[v + 1];
    double frequency = 0;
    for (int32_t p = first; p < end; ++p) {
      frequency += static_cast<double>(rows.pairs()[p].samples) /
                   static_cast<double>(domains[rows.pairs()[p].domain].samples);
    }
    classes.document_frequency.push_back(frequency / static_cast<double>(domains.size()));
    int which = 2 * static_cast<size_t>(end - first) >= domains.size() ? common : common + 1;
    if (options.text) {
      const auto found = options.class_of_word.find(class_key(options.text(rows.tokens()[v])));
      if (found != options.class_of_word.end()) {
        const auto name =
            std::lower_bound(classes.names.begin(), classes.names.begin() + common, found->second);
        which = static_cast<int>(name - classes.names.begin());
      }
    }
    classes.of_token.push_back(which);
  }
  return classes;
}

}  // namespace committee::roles
