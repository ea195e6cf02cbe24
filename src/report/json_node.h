#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace committee::report {

// A place in a JSON file that is being checked: every access that does not find what it wants throws an Error
// naming the file and the place ("layers[3].figures").
class JsonNode {
 public:
  JsonNode(const Json& json, std::string path, const std::string& file)
      : json_(&json), path_(std::move(path)), file_(&file) {}

  JsonNode at(const std::string& key) const;                    // a member that must be there
  std::optional<JsonNode> maybe(const std::string& key) const;  // absent or null: nothing
  JsonNode at(size_t index) const;                              // an element of an array, index < size()
  size_t size() const;                                          // of an array
  bool is_null() const { return json_->is_null(); }

  double number() const;
  int64_t integer(int64_t low, int64_t high) const;
  int small(int low, int high) const { return static_cast<int>(integer(low, high)); }
  uint64_t natural() const;  // the whole range of uint64
  bool truth() const;
  const std::string& text() const;
  const Json& object() const;

  std::optional<double> number_or_null() const { return is_null() ? std::nullopt : std::optional(number()); }
  std::vector<std::string> texts() const;
  std::vector<int> integers(int low, int high) const;
  // As many numbers as `count`, each possibly null.
  std::vector<std::optional<double>> numbers(size_t count) const;
  void expect_size(size_t count) const;

  // One of `values`, by the name that name_of() gives it.
  template <typename Enum, size_t N>
  Enum choice(const std::array<Enum, N>& values) const {
    std::string known;
    for (const Enum value : values) {
      if (text() == name_of(value)) return value;
      known += (known.empty() ? "" : ", ") + std::string(name_of(value));
    }
    fail("must be one of " + known);
  }

  [[noreturn]] void fail(const std::string& rule) const;

 private:
  const Json* json_;
  std::string path_;
  const std::string* file_;
};

}  // namespace committee::report
