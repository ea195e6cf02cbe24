#include "dataset/prompt.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "dataset/read_csv.h"
#include "dataset/record.h"
#include "dataset/text.h"

namespace committee::dataset {
namespace {

namespace fs = std::filesystem;

struct ChatWrapper {
  std::string_view name, before, after;
};

// One user message and a generation prompt, without a system prompt, as the chat_template of the models says.
constexpr std::array<ChatWrapper, 4> kChats = {{
    {"chatml", "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"},
    {"deepseek", "User: ", "\n\nAssistant:"},
    {"deepseek-v3", "<｜User｜>", "<｜Assistant｜>"},
    {"olmoe", "<|endoftext|><|user|>\n", "\n<|assistant|>\n"},
}};

void append_content(Prompt& prompt, std::string_view text) {
  if (!text.empty()) prompt.content.emplace_back(prompt.text.size(), prompt.text.size() + text.size());
  prompt.text += text;
}

std::string spaced(std::string subject) {
  std::replace(subject.begin(), subject.end(), '_', ' ');
  return subject;
}

}  // namespace

PromptBuilder::PromptBuilder(PromptOptions options) : options_(std::move(options)) {
  if (options_.template_name == "mmlu") {
    template_ = Template::kMmlu;
  } else if (options_.template_name == "committee") {
    template_ = Template::kCommittee;
  } else if (options_.template_name == "plain") {
    template_ = Template::kPlain;
  } else {
    throw Error("unknown template \"{}\"; known are mmlu, committee, plain", options_.template_name);
  }
  if (options_.shots < 0) throw Error("the number of shots must not be negative, found {}", options_.shots);
  if (options_.shots > 0 && template_ == Template::kPlain) throw Error("the template plain takes no shots");
  if (options_.chat.empty()) return;
  const auto chat =
      std::find_if(kChats.begin(), kChats.end(), [&](const auto& c) { return c.name == options_.chat; });
  if (chat == kChats.end()) {
    throw Error("unknown chat wrapper \"{}\"; known are {}", options_.chat, fmt::join(chat_names(), ", "));
  }
  before_ = chat->before;
  after_ = chat->after;
}

void PromptBuilder::append_choices(const Sample& sample, Prompt& prompt) const {
  for (size_t i = 0; i < sample.choices.size(); ++i) {
    prompt.text += fmt::format("\n{}. ", choice_label(i));
    append_content(prompt, sample.choices[i]);
  }
  prompt.text += "\nAnswer:";
}

void PromptBuilder::append_question(const Sample& sample, Prompt& prompt) const {
  if (template_ == Template::kMmlu) {
    append_content(prompt, strip(sample.text));
  } else {
    prompt.text += "Question: ";
    append_content(prompt, sample.text);
    prompt.text += "\nChoices:";
  }
  append_choices(sample, prompt);
}

Prompt PromptBuilder::render(const Sample& sample) {
  if (sample.tokenised()) throw Error("sample \"{}\" is tokenised already: no template applies", sample.id);
  Prompt prompt{before_, {}};
  if (template_ == Template::kPlain || !sample.multiple_choice()) {
    append_content(prompt, sample.text);
  } else {
    prompt.text += head(sample.subject);
    append_question(sample, prompt);
  }
  prompt.text += after_;
  return prompt;
}

const std::string& PromptBuilder::head(const std::string& subject) {
  const auto [at, is_new] = heads_.try_emplace(subject);
  if (!is_new) return at->second;
  Prompt head;
  if (template_ == Template::kMmlu) {
    head.text = fmt::format("The following are multiple choice questions (with answers) about {}.\n\n",
                            spaced(subject));
  }
  if (options_.shots > 0) {
    for (const auto& shot : dev_questions(subject)) {
      append_question(shot, head);
      head.text += fmt::format(" {}\n\n", choice_label(static_cast<size_t>(*shot.answer)));
    }
  }
  return at->second = std::move(head.text);
}

std::vector<fs::path> PromptBuilder::dev_files(const std::string& subject) const {
  const std::string name = subject + "_dev.csv";
  if (options_.shots_from) return {*options_.shots_from / "dev" / name, *options_.shots_from / name};
  std::error_code problem;
  const fs::path folder =
      fs::is_directory(options_.data, problem) ? options_.data : options_.data.parent_path();
  return {folder / "dev" / name, folder / name, folder / ".." / "dev" / name};
}

std::vector<Sample> PromptBuilder::dev_questions(const std::string& subject) const {
  const auto files = dev_files(subject);
  const auto file = std::find_if(files.begin(), files.end(), [](const fs::path& path) {
    std::error_code problem;
    return fs::exists(path, problem);
  });
  if (file == files.end()) {
    throw Error("{}: no such file, and {} shots of subject \"{}\" are wanted", files[0].string(),
                options_.shots, subject);
  }
  const auto wanted = static_cast<size_t>(options_.shots);
  std::vector<Sample> shots;
  read_csv({*file, Format::kMmlu, subject}, [&](Record&& record) {
    if (shots.size() == wanted) return;
    const Place place = record.place;
    shots.push_back(to_sample(std::move(record)));
    if (!shots.back().multiple_choice() || !shots.back().answer)
      place.fail("a shot needs choices and an answer");
  });
  if (shots.size() < wanted) {
    throw Error("{}: holds {} questions where {} shots are wanted", file->string(), shots.size(), wanted);
  }
  return shots;
}

std::vector<std::string> chat_names() {
  std::vector<std::string> names;
  names.reserve(kChats.size());
  for (const auto& chat : kChats) names.emplace_back(chat.name);
  return names;
}

std::vector<std::string> choice_labels(const Sample& sample) {
  std::vector<std::string> labels;
  for (size_t i = 0; i < sample.choices.size(); ++i) labels.push_back(choice_label(i));
  return labels;
}

}  // namespace committee::dataset
