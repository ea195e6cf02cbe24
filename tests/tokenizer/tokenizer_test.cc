#include "tokenizer/tokenizer.h"

#include <thread>

#include "tokenizer/helpers.h"

namespace committee::tokenizer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<int32_t>;

std::string refusal(const Tokenizer& tokenizer, std::string_view text) {
  try {
    tokenizer.encode(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Tokenizer, RefusesInvalidUtf8ByItsPlace) {
  const Tokenizer tokenizer = Tokenizer::load(fixture("olmoe"));
  EXPECT_EQ(refusal(tokenizer, "ab\xff"), "invalid UTF-8 at byte 2 of the text");
  EXPECT_EQ(refusal(tokenizer, "\xed\xa0\x80"), "invalid UTF-8 at byte 0 of the text") << "a surrogate";
  EXPECT_EQ(refusal(tokenizer, "\u20ac\xe2\x82"), "invalid UTF-8 at byte 3 of the text") << "cut short";
}

TEST(Tokenizer, DecodesWhatItEncodes) {
  for (const char* name : {"olmoe", "qwen3", "deepseek"}) {
    const Tokenizer tokenizer = Tokenizer::load(fixture(name));
    for (const Json& record : read_lines(fixture("encodings.jsonl"))) {
      const auto text = record["text"].get<std::string>();
      const Ids ids = tokenizer.encode(text, SpecialTokens::kNone).ids;
      const std::string back = tokenizer.decode(ids);
      EXPECT_EQ(tokenizer.encode(back, SpecialTokens::kNone).ids, ids) << record["text"];
      if (std::string_view(name) != "deepseek") continue;  // the others normalise
      EXPECT_EQ(back, text);
    }
  }
}

TEST(Tokenizer, KnowsItsVocabulary) {
  const Tokenizer tokenizer = Tokenizer::load(fixture("olmoe"));
  EXPECT_EQ(tokenizer.vocab_size(), 768);
  EXPECT_EQ(tokenizer.token_id("<|endoftext|>"), 0);
  EXPECT_EQ(tokenizer.token_text(0), "<|endoftext|>");
  const auto the = tokenizer.token_id("\u0120the");
  ASSERT_TRUE(the.has_value());
  EXPECT_EQ(tokenizer.token_text(*the), " the");
  EXPECT_EQ(tokenizer.token_id("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer.token_text(-1), "");
  EXPECT_EQ(tokenizer.token_text(768), "") << "models pad their vocabulary";
  EXPECT_EQ(tokenizer.decode(Ids{*the, 5000, *the}), " the the");
}

using Config = InFolder;

TEST_F(Config, NamesTheSpecialTokens) {
  const Tokenizer tokenizer = Tokenizer::load(fixture("deepseek"));
  EXPECT_EQ(tokenizer.bos(), 0);
  EXPECT_EQ(tokenizer.eos(), 1);
  EXPECT_EQ(Tokenizer::load(fixture("deepseek") / "tokenizer.json").bos(), std::nullopt)
      << "a file alone has no tokenizer_config.json";

  write_file(folder_ / "tokenizer_config.json",
             R"({"bos_token": {"content": "<x>", "lstrip": false}, "eos_token": "gone"})");
  const Tokenizer small = load(small_tokenizer());
  EXPECT_EQ(small.bos(), 9);
  EXPECT_EQ(small.eos(), std::nullopt);
  EXPECT_THAT(small.encode("ab").ids, ElementsAre(6)) << "named, but not asked for";
}

TEST_F(Config, AddsTheBeginningOnce) {
  const Tokenizer both = Tokenizer::load(fixture("deepseek"));  // template and add_bos_token
  const Tokenizer only_template = Tokenizer::load(fixture("deepseek") / "tokenizer.json");
  const Ids plain = both.encode("x", SpecialTokens::kNone).ids;
  ASSERT_EQ(plain.size(), 1u);
  EXPECT_THAT(both.encode("x").ids, ElementsAre(0, plain[0]));
  EXPECT_THAT(only_template.encode("x").ids, ElementsAre(0, plain[0]));
  EXPECT_THAT(both.encode("").ids, ElementsAre(0));

  write_file(folder_ / "tokenizer_config.json",
             R"({"bos_token": "<x>", "add_bos_token": true, "eos_token": "e", "add_eos_token": true})");
  EXPECT_THAT(load(small_tokenizer()).encode("ab").ids, ElementsAre(9, 6, 4)) << "the config alone";

  write_file(folder_ / "tokenizer_config.json", R"({"bos_token": "<x>", "add_bos_token": false})");
  Json file = small_tokenizer();
  file["post_processor"] = {{"type", "BertProcessing"}, {"cls", {"<x>", 9}}, {"sep", {"e", 4}}};
  EXPECT_THAT(load(file).encode("ab").ids, ElementsAre(9, 6, 4)) << "the post-processor stands";

  write_file(folder_ / "tokenizer_config.json", R"({"bos_token": null, "add_bos_token": true})");
  EXPECT_THAT(load(small_tokenizer()).encode("ab").ids, ElementsAre(6)) << "no token to add";
}

TEST_F(Config, IsRefusedWhereItContradictsTheTokenizer) {
  write_file(folder_ / "tokenizer_config.json", R"({"bos_token": "<s>", "add_bos_token": true})");
  EXPECT_EQ(InFolder::refusal(small_tokenizer().dump()),
            "tokenizer_config.json: \"bos_token\", \"<s>\", is not in tokenizer.json");
  write_file(folder_ / "tokenizer_config.json", R"({"add_bos_token": "yes"})");
  EXPECT_THAT(InFolder::refusal(small_tokenizer().dump()),
              HasSubstr("\"add_bos_token\" must be true or false"));
  write_file(folder_ / "tokenizer_config.json", R"([1])");
  EXPECT_EQ(InFolder::refusal(small_tokenizer().dump()), "tokenizer_config.json: must hold a JSON object");
}

TEST(Tokenizer, ServesSeveralThreads) {
  const Tokenizer tokenizer = Tokenizer::load(fixture("qwen3"));
  const auto records = read_lines(fixture("encodings.jsonl"));
  std::vector<std::vector<Ids>> found(4);
  {
    std::vector<std::jthread> threads;
    for (auto& ids : found) {
      threads.emplace_back([&] {
        for (const Json& record : records) {
          ids.push_back(tokenizer.encode(record["text"].get<std::string>(), SpecialTokens::kNone).ids);
        }
      });
    }
  }
  for (const auto& ids : found) {
    for (size_t i = 0; i < records.size(); ++i) ASSERT_EQ(ids[i], records[i]["qwen3"].get<Ids>());
  }
}

// A word of 300,000 bytes: quadratic work would take minutes.
TEST(Tokenizer, TakesLongWords) {
  for (const char* name : {"olmoe", "qwen3", "deepseek"}) {
    const Tokenizer tokenizer = Tokenizer::load(fixture(name));
    for (const std::string piece : {"ab", "\u4e2d", " ", "\n", "\u0301\u0323", "<"}) {
      std::string text = "e";
      while (text.size() < 300'000) text += piece;
      const Ids ids = tokenizer.encode(text, SpecialTokens::kNone).ids;
      EXPECT_EQ(tokenizer.encode(tokenizer.decode(ids), SpecialTokens::kNone).ids, ids) << name << piece;
    }
  }
}

// As Mixtral's: characters instead of bytes, a mark for the space, bytes for unknown characters.
TEST_F(Config, ReadsVocabulariesOfCharacters) {
  Json file = small_tokenizer();
  Json vocabulary = {{"<unk>", 0}, {"\u2581", 1}, {"a", 2}, {"b", 3}, {"\u2581a", 4}, {"\u2581ab", 5}};
  for (int byte = 0; byte < 256; ++byte) vocabulary[fmt::format("<0x{:02X}>", byte)] = 10 + byte;
  file["added_tokens"] = Json::array();
  file["normalizer"] = {{"type", "Sequence"},
                        {"normalizers",
                         {{{"type", "Prepend"}, {"prepend", "\u2581"}},
                          {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}}}};
  file["pre_tokenizer"] = nullptr;
  file["decoder"] = {{"type", "Sequence"},
                     {"decoders",
                      {{{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}},
                       {{"type", "ByteFallback"}},
                       {{"type", "Fuse"}},
                       {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
  file["model"] = {{"type", "BPE"},         {"unk_token", "<unk>"}, {"fuse_unk", true},
                   {"byte_fallback", true}, {"vocab", vocabulary},  {"merges", {"\u2581 a", "\u2581a b"}}};
  const Tokenizer tokenizer = load(file);
  const Encoding encoding = tokenizer.encode("ab \u00e9a");
  EXPECT_THAT(encoding.ids, ElementsAre(5, 1, 10 + 0xC3, 10 + 0xA9, 2));
  EXPECT_THAT(encoding.begin, ElementsAre(0, 2, 3, 4, 5));
  EXPECT_THAT(encoding.end, ElementsAre(2, 3, 4, 5, 6));
  EXPECT_EQ(tokenizer.decode(encoding.ids), "ab \u00e9a");
  EXPECT_EQ(tokenizer.token_text(5), " ab");
  EXPECT_EQ(tokenizer.token_text(10 + 0xC3), "\xC3");
}

}  // namespace
}  // namespace committee::tokenizer
