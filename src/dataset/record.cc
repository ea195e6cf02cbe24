#include "dataset/record.h"

#include "dataset/text.h"

namespace committee::dataset {
namespace {

void refuse_empty(const Place& place, const char* field, const std::optional<std::string>& value) {
  if (value && strip(*value).empty()) place.fail("\"{}\" is empty", field);
}

int answer_index(const Record& record, size_t choices) {
  const auto refuse = [&](const std::string& found) {
    record.place.fail("\"answer\" must be an index from 0 to {} or a letter from \"A\" to \"{}\", found {}",
                      choices - 1, choice_label(choices - 1), found);
  };
  if (const auto* letter = std::get_if<std::string>(&*record.answer)) {
    if (letter->size() != 1 || (*letter)[0] < 'A' || static_cast<size_t>((*letter)[0] - 'A') >= choices) {
      refuse('"' + *letter + '"');
    }
    return (*letter)[0] - 'A';
  }
  const int64_t index = std::get<int64_t>(*record.answer);
  if (index < 0 || static_cast<uint64_t>(index) >= choices) refuse(std::to_string(index));
  return static_cast<int>(index);
}

void take_text(Record& record, Sample& sample) {
  const Place& place = record.place;
  refuse_empty(place, "question", record.question);
  refuse_empty(place, "text", record.text);
  if (record.question && record.text) place.fail("a record has \"question\" or \"text\", not both");
  if (record.question && !record.choices) {
    place.fail("\"question\" needs \"choices\" (free text is given as \"text\")");
  }
  if (!record.question && !record.text && !record.tokens) {
    place.fail("a record needs \"question\" with \"choices\", \"text\" or \"tokens\"");
  }
  if (record.question) sample.text = std::move(*record.question);
  if (record.text) sample.text = std::move(*record.text);
}

void take_choices(Record& record, Sample& sample) {
  if (record.choices) {
    const size_t count = record.choices->size();
    if (count < kMinChoices || count > kMaxChoices) {
      record.place.fail("\"choices\" must be {} to {}, found {}", kMinChoices, kMaxChoices, count);
    }
    sample.choices = std::move(*record.choices);
    if (record.answer) sample.answer = answer_index(record, count);
  } else if (record.answer) {
    const auto* letter = std::get_if<std::string>(&*record.answer);
    sample.columns.emplace_back("answer",
                                letter ? *letter : std::to_string(std::get<int64_t>(*record.answer)));
  }
}

}  // namespace

std::string choice_label(size_t index) { return std::string(1, static_cast<char>('A' + index)); }

Sample to_sample(Record&& record) {
  Sample sample;
  refuse_empty(record.place, "id", record.id);
  refuse_empty(record.place, "domain", record.domain);
  refuse_empty(record.place, "subject", record.subject);
  if (record.tokens && record.tokens->empty()) record.place.fail("\"tokens\" is empty");
  sample.columns = std::move(record.columns);
  take_text(record, sample);
  take_choices(record, sample);
  if (record.tokens) sample.tokens = std::move(*record.tokens);
  sample.id = record.id.value_or("");
  sample.domain = record.domain.value_or("");
  sample.subject = record.subject.value_or("");
  sample.line = record.place.line;
  return sample;
}

}  // namespace committee::dataset
