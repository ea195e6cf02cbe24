#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "dataset/sample.h"

namespace committee::dataset {

inline constexpr size_t kMinChoices = 2, kMaxChoices = 26;  // a label is a letter

// "A" is 0.
std::string choice_label(size_t index);

// Where a record stands, for sentences of errors. Refers to the file's name.
struct Place {
  std::string_view file;
  int64_t line = 0;

  std::string text() const { return fmt::format("{}:{}", file, line); }
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw Error(fmt::format("{}:{}: {}", file, line, fmt::format(format, std::forward<Args>(args)...)));
  }
};

// A record as a reader found it: types are checked, the rules between fields not yet. What is missing, null
// or (CSV) an empty cell is nothing.
struct Record {
  Place place;
  bool mmlu = false;  // from a file in MMLU's layout
  std::optional<std::string> id, subject, domain, question, text;
  std::optional<std::vector<std::string>> choices;
  std::optional<std::variant<int64_t, std::string>> answer;  // an index or a letter
  std::optional<std::vector<int32_t>> tokens;
  std::vector<std::pair<std::string, std::string>> columns;
};

using RecordSink = std::function<void(Record&&)>;

// The sample of a record, by the rules that hold for every format: one of question (with choices), text (with
// or without) and tokens; 2 to 26 choices; an answer among them. Without choices `answer` is a column like
// any other. Its id, subject and domain are as given or empty: load() completes them. Throws Error naming
// file, line, field and rule.
Sample to_sample(Record&& record);

}  // namespace committee::dataset
