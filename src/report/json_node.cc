#include "report/json_node.h"

namespace committee::report {

void JsonNode::fail(const std::string& rule) const {
  throw Error("{}: {} {}", *file_, path_.empty() ? "the file" : path_, rule);
}

const Json& JsonNode::object() const {
  if (!json_->is_object()) fail("must be an object");
  return *json_;
}

std::optional<JsonNode> JsonNode::maybe(const std::string& key) const {
  const auto found = object().find(key);
  if (found == json_->end() || found->is_null()) return std::nullopt;
  return JsonNode(*found, path_.empty() ? key : path_ + "." + key, *file_);
}

JsonNode JsonNode::at(const std::string& key) const {
  const auto found = object().find(key);
  if (found == json_->end()) fail("lacks \"" + key + "\"");
  return JsonNode(*found, path_.empty() ? key : path_ + "." + key, *file_);
}

JsonNode JsonNode::at(size_t index) const {
  return JsonNode((*json_)[index], path_ + "[" + std::to_string(index) + "]", *file_);
}

size_t JsonNode::size() const {
  if (!json_->is_array()) fail("must be an array");
  return json_->size();
}

double JsonNode::number() const {
  if (!json_->is_number()) fail("must be a number");
  return json_->get<double>();
}

int64_t JsonNode::integer(int64_t low, int64_t high) const {
  if (!json_->is_number_integer()) fail("must be an integer");
  const bool too_large = json_->is_number_unsigned() &&
                         json_->get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (too_large || json_->get<int64_t>() < low || json_->get<int64_t>() > high) {
    fail(fmt::format("must be in {}..{}", low, high));
  }
  return json_->get<int64_t>();
}

uint64_t JsonNode::natural() const {
  if (!json_->is_number_unsigned()) fail("must be an integer of at least 0");
  return json_->get<uint64_t>();
}

bool JsonNode::truth() const {
  if (!json_->is_boolean()) fail("must be true or false");
  return json_->get<bool>();
}

const std::string& JsonNode::text() const {
  if (!json_->is_string()) fail("must be a string");
  return json_->get_ref<const std::string&>();
}

std::vector<std::string> JsonNode::texts() const {
  std::vector<std::string> items;
  for (size_t i = 0, count = size(); i < count; ++i) items.push_back(at(i).text());
  return items;
}

std::vector<int> JsonNode::integers(int low, int high) const {
  std::vector<int> items;
  for (size_t i = 0, count = size(); i < count; ++i) {
    const Json& item = (*json_)[i];
    const bool inside = item.is_number_integer() && item.get<int64_t>() >= low && item.get<int64_t>() <= high;
    items.push_back(inside ? item.get<int>() : at(i).small(low, high));
  }
  return items;
}

std::vector<std::optional<double>> JsonNode::numbers(size_t count) const {
  expect_size(count);
  std::vector<std::optional<double>> items;
  items.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const Json& item = (*json_)[i];
    if (item.is_number()) {
      items.emplace_back(item.get<double>());
    } else {
      items.push_back(at(i).number_or_null());
    }
  }
  return items;
}

void JsonNode::expect_size(size_t count) const {
  if (size() != count) fail(fmt::format("must have {} elements, found {}", count, size()));
}

}  // namespace committee::report
