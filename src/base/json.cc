#include "base/json.h"

#include <cstdint>
#include <limits>

#include "base/mapped_file.h"

namespace committee {
namespace {

// The library's sentences begin with the exception's name in brackets and can quote a whole text.
std::string shortened(std::string_view what) {
  constexpr size_t kLongest = 200;
  what.remove_prefix(what.find("] ") + 2);
  if (what.size() <= kLongest) return std::string(what);
  size_t end = kLongest;
  while (end > 0 && (static_cast<uint8_t>(what[end]) & 0xC0) == 0x80) --end;
  return std::string(what.substr(0, end)) + "…";
}

}  // namespace

Json parse_json(std::string_view text, std::string_view name) {
  constexpr int kMaxDepth = 100;
  bool too_deep = false;
  const auto watch = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kMaxDepth;
    // A refused value still recurses in nothing: the parser itself keeps its stack on the heap.
    return !too_deep;
  };
  Json value;
  try {
    value = Json::parse(text, watch);
  } catch (const Json::exception& problem) {
    throw Error("{}: not valid JSON: {}", name, shortened(problem.what()));
  }
  if (too_deep) throw Error("{}: JSON nested deeper than {} levels", name, kMaxDepth);
  return value;
}

Json read_json(const std::filesystem::path& path) {
  const MappedFile file(path);
  return parse_json(file.text(), path.string());
}

namespace {

[[noreturn]] void wrong_type(std::string_view file, const char* key, const char* wanted, const Json& found) {
  throw Error("{}: \"{}\" must be {}, found {}", file, key, wanted, found.type_name());
}

const Json* find(const Json& object, const char* key, std::string_view file) {
  if (!object.is_object()) throw Error("{}: must hold a JSON object, found {}", file, object.type_name());
  const auto at = object.find(key);
  return at == object.end() || at->is_null() ? nullptr : &*at;
}

}  // namespace

template <>
std::optional<int64_t> optional_field(const Json& object, const char* key, std::string_view file) {
  const Json* value = find(object, key, file);
  if (!value) return std::nullopt;
  if (!value->is_number_integer()) wrong_type(file, key, "an integer", *value);
  if (value->is_number_unsigned() &&
      value->get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    throw Error("{}: \"{}\" is out of range", file, key);
  }
  return value->get<int64_t>();
}

template <>
std::optional<int> optional_field(const Json& object, const char* key, std::string_view file) {
  const auto value = optional_field<int64_t>(object, key, file);
  if (!value) return std::nullopt;
  if (*value < std::numeric_limits<int>::min() || *value > std::numeric_limits<int>::max()) {
    throw Error("{}: \"{}\" is out of range: {}", file, key, *value);
  }
  return static_cast<int>(*value);
}

template <>
std::optional<double> optional_field(const Json& object, const char* key, std::string_view file) {
  const Json* value = find(object, key, file);
  if (!value) return std::nullopt;
  if (!value->is_number()) wrong_type(file, key, "a number", *value);
  return value->get<double>();
}

template <>
std::optional<bool> optional_field(const Json& object, const char* key, std::string_view file) {
  const Json* value = find(object, key, file);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) wrong_type(file, key, "true or false", *value);
  return value->get<bool>();
}

template <>
std::optional<std::string> optional_field(const Json& object, const char* key, std::string_view file) {
  const Json* value = find(object, key, file);
  if (!value) return std::nullopt;
  if (!value->is_string()) wrong_type(file, key, "a string", *value);
  return value->get<std::string>();
}

}  // namespace committee
