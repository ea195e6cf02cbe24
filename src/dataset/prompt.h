#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dataset/sample.h"

namespace committee::dataset {

// A prompt as the model's tokenizer gets it. `content` are the byte ranges [begin, end) of `text`, ascending,
// that are the sample's own: question and choices, or the free text. The rest is the template's: header,
// shots, labels, chat wrapper.
struct Prompt {
  std::string text;
  std::vector<std::pair<size_t, size_t>> content;
};

struct PromptOptions {
  std::string template_name = "mmlu";  // mmlu, committee or plain
  int shots = 0;                       // dev questions before the sample's own
  std::filesystem::path data = {};     // DataOptions::path: where dev questions are, if not in shots_from
  std::optional<std::filesystem::path> shots_from = {};  // a folder in MMLU's layout, or its dev folder
  std::string chat = {};                                 // empty: no wrapper; else one of chat_names()
};

// Builds prompts. Of a multiple choice:
//   mmlu       as lm-evaluation-harness does: the header that names the subject, shots, the question without
//   white space
//              around it, "\nA. …" for every choice, "\nAnswer:"
//   committee  as the authors' recorder does: "Question: …\nChoices:\nA. …\nAnswer:"
//   plain      the question alone
// Free text is itself under each of them. Shots are the first dev questions of the sample's subject, in the
// template's own form, each followed by " LETTER\n\n". A chat wrapper goes around the whole, as the model's
// own chat template writes one user message and the opening of the answer; what the tokenizer adds itself
// (DeepSeek's first token) is not written.
class PromptBuilder {
 public:
  // Throws Error for an unknown template or wrapper (the list is named), a negative number of shots, and
  // shots for plain.
  explicit PromptBuilder(PromptOptions options);

  // Of a sample that is not tokenised already. Throws Error where the subject has no dev questions, or too
  // few. Keeps the shots of each subject, so one thread at a time.
  Prompt render(const Sample& sample);

 private:
  enum class Template { kMmlu, kCommittee, kPlain };

  void append_choices(const Sample& sample, Prompt& prompt) const;
  void append_question(const Sample& sample, Prompt& prompt) const;
  const std::string& head(const std::string& subject);
  std::vector<std::filesystem::path> dev_files(const std::string& subject) const;
  std::vector<Sample> dev_questions(const std::string& subject) const;

  PromptOptions options_;
  Template template_;
  std::string before_, after_;                          // the chat wrapper
  std::unordered_map<std::string, std::string> heads_;  // by subject: header and shots
};

// The chat wrappers there are: chatml (Qwen), deepseek (DeepSeek-V2), deepseek-v3, olmoe.
std::vector<std::string> chat_names();

// The labels of a sample's choices, "A" on: what the model is expected to answer.
std::vector<std::string> choice_labels(const Sample& sample);

}  // namespace committee::dataset
