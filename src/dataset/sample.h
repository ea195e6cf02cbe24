#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace committee::dataset {

// One prompt of a data set: multiple choice (text is the question, choices are its answers), free text (text
// alone), or already tokenised (tokens, which are used as they are; text and choices may come with them).
struct Sample {
  std::string id = {};       // unique in the data set
  std::string subject = {};  // as given, else the domain as given, else the domain
  std::string domain = {};
  std::string text = {};                  // question or free text, as in the file
  std::vector<std::string> choices = {};  // none, or 2 to 26
  std::optional<int> answer = {};         // 0-based, of a multiple choice whose right answer is known
  std::vector<int32_t> tokens = {};       // not empty where the sample comes tokenised
  // The other columns as text: a CSV file's in its order, a JSON object's by name; without what is null or
  // empty.
  std::vector<std::pair<std::string, std::string>> columns = {};
  int file = 0;      // index into Dataset::files
  int64_t line = 0;  // 1-based, where its record begins

  bool multiple_choice() const { return !choices.empty(); }
  bool tokenised() const { return !tokens.empty(); }
};

}  // namespace committee::dataset
