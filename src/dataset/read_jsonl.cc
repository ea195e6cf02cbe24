#include "dataset/read_jsonl.h"

#include <algorithm>
#include <limits>

#include "base/mapped_file.h"
#include "base/utf8.h"
#include "dataset/text.h"

namespace committee::dataset {
namespace {

std::string text_of(const char* key, const Json& value, const Place& place) {
  if (!value.is_string()) place.fail("\"{}\" must be a string, found {}", key, value.type_name());
  return value.get<std::string>();
}

bool fits_int64(const Json& value) {
  return value.is_number_integer() &&
         !(value.is_number_unsigned() &&
           value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
}

void take_field(const std::string& key, const Json& value, Record& record) {
  const Place& place = record.place;
  if (key == "id") {
    record.id = value.is_number_integer() ? value.dump() : text_of("id", value, place);
  } else if (key == "subject") {
    record.subject = text_of("subject", value, place);
  } else if (key == "domain") {
    record.domain = text_of("domain", value, place);
  } else if (key == "question") {
    record.question = text_of("question", value, place);
  } else if (key == "text") {
    record.text = text_of("text", value, place);
  } else if (key == "choices") {
    record.choices = choice_list(value, place);
  } else if (key == "tokens") {
    record.tokens = token_list(value, place);
  } else if (key == "answer" && fits_int64(value)) {
    record.answer = value.get<int64_t>();
  } else if (key == "answer") {
    record.answer = value.is_string() ? value.get<std::string>() : value.dump();
  } else {
    record.columns.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
  }
}

}  // namespace

std::vector<int32_t> token_list(const Json& value, const Place& place) {
  if (!value.is_array()) place.fail("\"tokens\" must be a list of token ids, found {}", value.type_name());
  std::vector<int32_t> tokens;
  tokens.reserve(value.size());
  for (const auto& item : value) {
    if (!fits_int64(item) || item.get<int64_t>() < 0 ||
        item.get<int64_t>() > std::numeric_limits<int32_t>::max()) {
      place.fail("\"tokens\" must be a list of token ids, found {} at {}", item.dump(), tokens.size());
    }
    tokens.push_back(item.get<int32_t>());
  }
  return tokens;
}

std::vector<std::string> choice_list(const Json& value, const Place& place) {
  if (!value.is_array()) place.fail("\"choices\" must be a list of strings, found {}", value.type_name());
  std::vector<std::string> choices;
  for (const auto& item : value) {
    if (!item.is_string()) {
      place.fail("\"choices\" must be a list of strings, found {} at {}", item.type_name(), choices.size());
    }
    choices.push_back(item.get<std::string>());
  }
  return choices;
}

void read_jsonl(const Source& source, const RecordSink& sink) {
  const MappedFile file(source.path);
  const std::string name = source.path.string();
  constexpr size_t kDrop = size_t{64} << 20;  // pages that lie behind are given back in steps of this
  std::string_view rest = without_mark(file.text());
  size_t dropped = 0;
  for (int64_t number = 1; !rest.empty(); ++number) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (strip(line).empty()) continue;
    Record record;
    record.place = {name, number};
    if (const auto at = find_invalid_utf8(line))
      record.place.fail("invalid UTF-8 at byte {} of the line", *at + 1);
    const Json object = parse_json(line, record.place.text());
    if (!object.is_object()) record.place.fail("must hold a JSON object, found {}", object.type_name());
    for (const auto& [key, value] : object.items()) {
      if (!value.is_null()) take_field(key, value, record);
    }
    sink(std::move(record));
    const size_t behind = file.text().size() - rest.size();
    if (behind - dropped > kDrop) {
      file.dont_need(dropped, behind - dropped);
      dropped = behind;
    }
  }
}

}  // namespace committee::dataset
