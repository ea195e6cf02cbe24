#include "report/json_writer.h"

#include <cmath>

#include "base/version.h"

namespace committee::report {

void JsonWriter::new_line() {
  text_ += '\n';
  text_.append(static_cast<size_t>(depth_), ' ');
}

// What stands between this token and the one before.
void JsonWriter::separate() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (!first_) text_ += ',';
  if (depth_ > 0 && depth_ <= line_depth_) new_line();
  first_ = false;
}

void JsonWriter::open(char bracket) {
  separate();
  text_ += bracket;
  ++depth_;
  first_ = true;
}

void JsonWriter::close(char bracket) {
  const bool lines = depth_ <= line_depth_ && !first_;
  --depth_;
  if (lines) new_line();
  text_ += bracket;
  first_ = false;
}

void JsonWriter::raw(std::string_view token) {
  separate();
  text_ += token;
}

void JsonWriter::head(std::string_view format, std::string_view command) {
  member("format", format);
  member("version", kVersion);
  member("command", command);
}

void JsonWriter::key(std::string_view name) {
  value(name);
  text_ += ':';
  after_key_ = true;
}

void JsonWriter::value(double number) {
  if (!std::isfinite(number)) return null();
  // "-0" would come back as the integer 0.
  raw(number == 0 && std::signbit(number) ? std::string("-0.0") : fmt::format("{}", number));
}

void JsonWriter::value(std::string_view text) {
  raw(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace));
}

void JsonWriter::value(const audit::Interval& interval) {
  begin_object();
  member("low", interval.low);
  member("high", interval.high);
  end_object();
}

void JsonWriter::value(const Json& json) {
  switch (json.type()) {
    case Json::value_t::object:
      begin_object();
      for (const auto& [name, item] : json.items()) member(name, item);
      return end_object();
    case Json::value_t::array:
      begin_array();
      for (const auto& item : json) value(item);
      return end_array();
    case Json::value_t::number_float:
      return value(json.get<double>());
    case Json::value_t::string:
      return value(json.get_ref<const std::string&>());
    default:
      return raw(json.dump());
  }
}

}  // namespace committee::report
