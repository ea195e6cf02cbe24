// Ids against those of Hugging Face `tokenizers`, as tools/checks/tokenizer/make_fixtures.py kept them.
#include "tokenizer/helpers.h"

namespace committee::tokenizer {
namespace {

using Ids = std::vector<int32_t>;

class Encodings : public testing::TestWithParam<const char*> {};

TEST_P(Encodings, AreThoseOfTokenizers) {
  const Tokenizer tokenizer = Tokenizer::load(fixture(GetParam()));
  const auto records = read_lines(fixture("encodings.jsonl"));
  ASSERT_GE(records.size(), 150u);
  for (const Json& record : records) {
    const auto text = record["text"].get<std::string>();
    EXPECT_EQ(tokenizer.encode(text, SpecialTokens::kNone).ids, record[GetParam()].get<Ids>())
        << record["text"];
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Encodings, testing::Values("olmoe", "qwen3", "deepseek"),
                         [](const auto& family) { return family.param; });

using Variants = InFolder;

// Every normaliser, pre-tokeniser, post-processor and kind of added token that is supported, over one
// vocabulary.
TEST_F(Variants, AreThoseOfTokenizers) {
  const Json base = read_json(fixture("olmoe") / "tokenizer.json");
  const auto variants = read_lines(fixture("variants.jsonl"));
  ASSERT_GE(variants.size(), 55u);
  for (const Json& variant : variants) {
    Json changed = base;
    for (const auto& [key, value] : variant["changes"].items()) changed[key] = value;
    const Tokenizer tokenizer = load(changed);
    for (size_t i = 0; i < variant["texts"].size(); ++i) {
      const auto text = variant["texts"][i].get<std::string>();
      EXPECT_EQ(tokenizer.encode(text).ids, variant["ids"][i].get<Ids>())
          << variant["name"] << ": " << variant["texts"][i];
    }
  }
}

}  // namespace
}  // namespace committee::tokenizer
