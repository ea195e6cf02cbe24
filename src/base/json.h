#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace committee {

using Json = nlohmann::json;

// Parses `text`; `name` (a file, or "file:line") begins the Error's sentence. Nesting deeper than 100 is
// refused.
Json parse_json(std::string_view text, std::string_view name);
Json read_json(const std::filesystem::path& path);

// obj[key] as T. Absent or null gives nothing; another type is an Error naming file, key and the type wanted.
template <typename T>
std::optional<T> optional_field(const Json& object, const char* key, std::string_view file);

template <>
std::optional<int64_t> optional_field(const Json& object, const char* key, std::string_view file);
template <>
std::optional<int> optional_field(const Json& object, const char* key, std::string_view file);
template <>
std::optional<double> optional_field(const Json& object, const char* key, std::string_view file);
template <>
std::optional<bool> optional_field(const Json& object, const char* key, std::string_view file);
template <>
std::optional<std::string> optional_field(const Json& object, const char* key, std::string_view file);

// The same, but must be there.
template <typename T>
T required_field(const Json& object, const char* key, std::string_view file) {
  auto value = optional_field<T>(object, key, file);
  if (!value) throw Error("{}: \"{}\" is missing", file, key);
  return *std::move(value);
}

}  // namespace committee
