#pragma once

#include <fmt/format.h>

// json_library.cc has what is used of simdjson outside its header; its exceptions would need more.
#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace committee::tokenizer {

// What is wrong with a text, in simdjson's words.
const char* json_problem(simdjson::error_code code);

// A value of a parsed JSON file that knows its place ("tokenizer.json: model.vocab"), for errors. The parser
// that made it must outlive it. Members throw Error where the value is not of the kind asked for.
class JsonNode {
 public:
  JsonNode(simdjson::dom::element value, std::string file) : value_(value), file_(std::move(file)) {}

  // obj[key]: nothing where absent or null; at() wants it there.
  std::optional<JsonNode> find(std::string_view key) const;
  JsonNode at(std::string_view key) const;
  // Elements of an array.
  std::vector<JsonNode> items() const;

  std::string_view text() const;
  bool boolean() const;
  int64_t integer() const;

  bool flag(std::string_view key, bool otherwise) const;

  simdjson::dom::element raw() const { return value_; }
  simdjson::dom::object object() const;
  simdjson::dom::array array() const;
  // "FILE: model.vocab"
  std::string where() const;

  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw Error("{}: {}", where(), fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  JsonNode child(simdjson::dom::element value, std::string_view key) const;
  [[noreturn]] void wrong_type(const char* wanted) const;

  simdjson::dom::element value_;
  std::string file_, path_;
};

}  // namespace committee::tokenizer
