#include "tokenizer/json_node.h"

namespace committee::tokenizer {
namespace {

const char* type_name(simdjson::dom::element value) {
  switch (value.type()) {
    case simdjson::dom::element_type::ARRAY:
      return "an array";
    case simdjson::dom::element_type::OBJECT:
      return "an object";
    case simdjson::dom::element_type::STRING:
      return "a string";
    case simdjson::dom::element_type::BOOL:
      return "a boolean";
    case simdjson::dom::element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

}  // namespace

std::string JsonNode::where() const { return path_.empty() ? file_ : file_ + ": " + path_; }

void JsonNode::wrong_type(const char* wanted) const {
  fail("must be {}, found {}", wanted, type_name(value_));
}

JsonNode JsonNode::child(simdjson::dom::element value, std::string_view key) const {
  JsonNode result(value, file_);
  result.path_ = path_;
  if (!path_.empty() && !key.starts_with('[')) result.path_ += '.';
  result.path_ += key;
  return result;
}

std::optional<JsonNode> JsonNode::find(std::string_view key) const {
  simdjson::dom::element value;
  if (object().at_key(key).get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
  return child(value, key);
}

JsonNode JsonNode::at(std::string_view key) const {
  auto value = find(key);
  if (!value) fail("\"{}\" is missing", key);
  return *std::move(value);
}

std::vector<JsonNode> JsonNode::items() const {
  std::vector<JsonNode> result;
  for (const auto value : array()) result.push_back(child(value, fmt::format("[{}]", result.size())));
  return result;
}

std::string_view JsonNode::text() const {
  std::string_view result;
  if (value_.get(result) != simdjson::SUCCESS) wrong_type("a string");
  return result;
}

bool JsonNode::boolean() const {
  bool result = false;
  if (value_.get(result) != simdjson::SUCCESS) wrong_type("true or false");
  return result;
}

int64_t JsonNode::integer() const {
  int64_t result = 0;
  if (value_.get(result) != simdjson::SUCCESS) wrong_type("an integer");
  return result;
}

bool JsonNode::flag(std::string_view key, bool otherwise) const {
  const auto value = find(key);
  return value ? value->boolean() : otherwise;
}

simdjson::dom::object JsonNode::object() const {
  simdjson::dom::object result;
  if (value_.get(result) != simdjson::SUCCESS) wrong_type("an object");
  return result;
}

simdjson::dom::array JsonNode::array() const {
  simdjson::dom::array result;
  if (value_.get(result) != simdjson::SUCCESS) wrong_type("an array");
  return result;
}

}  // namespace committee::tokenizer
