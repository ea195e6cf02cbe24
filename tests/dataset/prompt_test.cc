#include "dataset/prompt.h"

#include "dataset/helpers.h"
#include "paths.h"

namespace committee::dataset {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::filesystem::path kFixtures = std::filesystem::path(paths::kFixtures) / "dataset" / "prompts";

Sample question() {
  return {.id = "s/0",
          .subject = "two_words",
          .domain = "d",
          .text = " Which?\u0085\n",
          .choices = {"x ", "", "y\nz"},
          .answer = 2};
}

std::vector<std::string> content(const Prompt& prompt) {
  std::vector<std::string> parts;
  for (const auto& [begin, end] : prompt.content) parts.push_back(prompt.text.substr(begin, end - begin));
  return parts;
}

std::string refused(PromptOptions options, const Sample& sample = question()) {
  try {
    PromptBuilder(std::move(options)).render(sample);
  } catch (const Error& problem) {
    return problem.what();
  }
  return "accepted";
}

TEST(Prompt, GoldensCharacterForCharacter) {
  const auto wanted = load({.path = kFixtures / "rendered.jsonl"});
  const auto data = load({.path = kFixtures / "prompts.jsonl"});
  ASSERT_EQ(data.samples.size(), wanted.samples.size());
  for (const auto& options : {PromptOptions{.shots = 1, .shots_from = kFixtures},
                              PromptOptions{.shots = 1, .shots_from = kFixtures / "dev"},
                              PromptOptions{.shots = 1, .data = kFixtures / "prompts.jsonl"}}) {
    PromptBuilder builder(options);
    PromptBuilder plain({.template_name = "plain"});
    for (size_t i = 0; i < data.samples.size(); ++i) {
      EXPECT_EQ(data.samples[i].id, wanted.samples[i].id);
      EXPECT_EQ(builder.render(data.samples[i]).text, wanted.samples[i].text);
      EXPECT_EQ(plain.render(wanted.samples[i]).text, wanted.samples[i].text);
    }
  }
}

TEST(Prompt, MmluStripsTheQuestionOnly) {
  const auto prompt = PromptBuilder({}).render(question());
  EXPECT_EQ(prompt.text,
            "The following are multiple choice questions (with answers) about two words.\n\n"
            "Which?\nA. x \nB. \nC. y\nz\nAnswer:");
  EXPECT_THAT(content(prompt), ElementsAre("Which?", "x ", "y\nz"));
}

TEST(Prompt, CommitteeAndPlainKeepTheText) {
  const auto committee = PromptBuilder({.template_name = "committee"}).render(question());
  EXPECT_EQ(committee.text, "Question:  Which?\u0085\n\nChoices:\nA. x \nB. \nC. y\nz\nAnswer:");
  EXPECT_THAT(content(committee), ElementsAre(" Which?\u0085\n", "x ", "y\nz"));
  const auto plain = PromptBuilder({.template_name = "plain"}).render(question());
  EXPECT_EQ(plain.text, question().text);
  EXPECT_THAT(content(plain), ElementsAre(question().text));
}

TEST(Prompt, FreeTextIsItselfUnderEveryTemplate) {
  const Sample text = {.id = "t", .subject = "s", .domain = "d", .text = " free \n"};
  for (const char* name : {"mmlu", "committee", "plain"}) {
    const int shots = std::string(name) == "plain" ? 0 : 5;
    const auto prompt = PromptBuilder({.template_name = name, .shots = shots}).render(text);
    EXPECT_EQ(prompt.text, " free \n");
    EXPECT_THAT(content(prompt), ElementsAre(" free \n"));
  }
}

TEST(Prompt, ChatWrappersGoAroundAndAreNotContent) {
  const Sample text = {.id = "t", .subject = "s", .domain = "d", .text = "Hi"};
  const std::vector<std::pair<std::string, std::string>> wanted = {
      {"chatml", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"},
      {"deepseek", "User: Hi\n\nAssistant:"},
      {"deepseek-v3",
       "<\xEF\xBD\x9CUser\xEF\xBD\x9C>Hi<\xEF\xBD\x9C"
       "Assistant\xEF\xBD\x9C>"},
      {"olmoe", "<|endoftext|><|user|>\nHi\n<|assistant|>\n"}};
  std::vector<std::string> names;
  for (const auto& [name, expected] : wanted) {
    const auto prompt = PromptBuilder({.chat = name}).render(text);
    EXPECT_EQ(prompt.text, expected);
    EXPECT_THAT(content(prompt), ElementsAre("Hi"));
    names.push_back(name);
  }
  EXPECT_EQ(chat_names(), names);
  EXPECT_EQ(PromptBuilder({.template_name = "committee", .chat = "deepseek"}).render(question()).text,
            "User: Question:  Which?\u0085\n\nChoices:\nA. x \nB. \nC. y\nz\nAnswer:\n\nAssistant:");
}

TEST(Prompt, UnknownNamesAreRefusedWithTheList) {
  EXPECT_EQ(refused({.template_name = "gpt"}), "unknown template \"gpt\"; known are mmlu, committee, plain");
  EXPECT_EQ(refused({.chat = "llama"}),
            "unknown chat wrapper \"llama\"; known are chatml, deepseek, deepseek-v3, olmoe");
  EXPECT_EQ(refused({.shots = -1}), "the number of shots must not be negative, found -1");
  EXPECT_EQ(refused({.template_name = "plain", .shots = 1}), "the template plain takes no shots");
}

TEST(Prompt, TokenisedSamplesHaveNoText) {
  EXPECT_EQ(refused({}, {.id = "x", .tokens = {1}}),
            "sample \"x\" is tokenised already: no template applies");
}

TEST(Prompt, Labels) {
  EXPECT_THAT(choice_labels(question()), ElementsAre("A", "B", "C"));
  Sample many;
  many.choices.resize(26);
  EXPECT_EQ(choice_labels(many).back(), "Z");
  EXPECT_TRUE(choice_labels({}).empty());
}

using Shots = InFolder;

TEST_F(Shots, AreTheFirstDevQuestionsInTheTemplatesForm) {
  write("dev/two_words_dev.csv", "One?,a,b,A\n Two? ,c,d,B\nThree?,e,f,A\n");
  const auto mmlu = PromptBuilder({.shots = 2, .data = folder_}).render(question());
  EXPECT_EQ(mmlu.text,
            "The following are multiple choice questions (with answers) about two words.\n\n"
            "One?\nA. a\nB. b\nAnswer: A\n\nTwo?\nA. c\nB. d\nAnswer: B\n\n"
            "Which?\nA. x \nB. \nC. y\nz\nAnswer:");
  EXPECT_THAT(content(mmlu), ElementsAre("Which?", "x ", "y\nz"));
  const auto committee =
      PromptBuilder({.template_name = "committee", .shots = 1, .shots_from = folder_}).render(question());
  EXPECT_THAT(committee.text,
              testing::StartsWith("Question: One?\nChoices:\nA. a\nB. b\nAnswer: A\n\nQuestion:  Which?"));
}

TEST_F(Shots, OfASplitFolderStandBesideIt) {
  write("dev/two_words_dev.csv", "One?,a,b,A\n");
  write("test/two_words_test.csv", "q,a,b,A\n");
  for (const auto& data :
       {folder_ / "test", folder_ / "test" / "", folder_ / "test" / "two_words_test.csv", folder_ / "dev"}) {
    EXPECT_THAT(PromptBuilder({.shots = 1, .data = data}).render(question()).text, HasSubstr("\n\nOne?\n"))
        << data;
  }
}

TEST_F(Shots, MissingOnesAreRefused) {
  const std::string file = (folder_ / "dev" / "two_words_dev.csv").string();
  EXPECT_EQ(refused({.shots = 2, .shots_from = folder_}),
            file + ": no such file, and 2 shots of subject \"two_words\" are wanted");
  write("dev/two_words_dev.csv", "One?,a,b,A\n");
  EXPECT_EQ(refused({.shots = 2, .shots_from = folder_}),
            file + ": holds 1 questions where 2 shots are wanted");
  write("dev/two_words_dev.csv", "question,A,B,answer\nOne?,a,b,\n");
  EXPECT_EQ(refused({.shots = 1, .shots_from = folder_}), file + ":2: a shot needs choices and an answer");
  write("dev/two_words_dev.csv", "");
  EXPECT_EQ(refused({.shots = 1, .shots_from = folder_}),
            file + ": holds 0 questions where 1 shots are wanted");
}

}  // namespace
}  // namespace committee::dataset
