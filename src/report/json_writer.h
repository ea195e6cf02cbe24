#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/result.h"
#include "base/json.h"

namespace committee::report {

// Writes JSON text as it goes, members in the order given, numbers in the shortest form that reads back to
// the same double, null for what is undefined or not finite. Members of the outer kLines objects and arrays
// stand on lines of their own, deeper ones on one line.
class JsonWriter {
 public:
  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }
  void key(std::string_view name);

  void value(double number);
  void value(int64_t number) { raw(std::to_string(number)); }
  void value(uint64_t number) { raw(std::to_string(number)); }
  void value(int number) { raw(std::to_string(number)); }
  void value(bool truth) { raw(truth ? "true" : "false"); }
  void value(std::string_view text);
  void value(const char* text) { value(std::string_view(text)); }
  void value(const std::string& text) { value(std::string_view(text)); }
  void value(const Json& json);
  void value(const audit::Interval& interval);
  void null() { raw("null"); }

  template <typename T>
  void value(const std::optional<T>& maybe) {
    if (maybe) {
      value(*maybe);
    } else {
      null();
    }
  }
  template <typename T>
  void value(const std::vector<T>& items) {
    begin_array();
    for (const auto& item : items) value(item);
    end_array();
  }
  template <typename T>
  void member(std::string_view name, const T& item) {
    key(name);
    value(item);
  }

  // What every document of this program begins with: "format", "version" and the command line.
  void head(std::string_view format, std::string_view command);

  // Up to this depth members stand on lines of their own.
  explicit JsonWriter(int line_depth) : line_depth_(line_depth) {}

  const std::string& text() const { return text_; }

 private:
  void open(char bracket);
  void close(char bracket);
  void raw(std::string_view token);
  void separate();
  void new_line();

  std::string text_;
  int line_depth_, depth_ = 0;
  bool first_ = true, after_key_ = false;
};

}  // namespace committee::report
