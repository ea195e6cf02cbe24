// One sentence for each way in which a tokenizer.json can be wrong.
#include "tokenizer/helpers.h"

namespace committee::tokenizer {
namespace {

using testing::HasSubstr;
using Malformed = InFolder;

struct Case {
  const char* change;  // a JSON merge patch
  const char* sentence;
};

TEST_F(Malformed, IsRefusedByItem) {
  const Case cases[] = {
      {R"({"model": null})", "tokenizer.json: \"model\" is missing"},
      {R"({"model": []})", "tokenizer.json: model: must be an object, found an array"},
      {R"({"model": {"type": "Unigram"}})",
       "tokenizer.json: model.type: the model \"Unigram\" is not supported, only BPE"},
      {R"({"model": {"vocab": null}})", "tokenizer.json: model: \"vocab\" is missing"},
      {R"({"model": {"vocab": []}})", "tokenizer.json: model.vocab: must be an object, found an array"},
      {R"({"model": {"vocab": {"f": 0}}})",
       "tokenizer.json: model.vocab: \"a\" and \"f\" have the same id 0"},
      {R"({"model": {"vocab": {"f": -1}}})",
       "tokenizer.json: model.vocab: the id of \"f\" is -1, not in 0..16777215"},
      {R"({"model": {"vocab": {"f": 16777216}}})",
       "tokenizer.json: model.vocab: the id of \"f\" is 16777216, not in 0..16777215"},
      {R"({"model": {"vocab": {"f": 16777215}}})",
       "tokenizer.json: model.vocab: has the id 16777215, far beyond its 10 entries"},
      {R"({"model": {"vocab": {"f": 1.5}}})",
       "tokenizer.json: model.vocab: the id of \"f\" is not an integer"},
      {R"({"model": {"vocab": {"f": "7"}}})",
       "tokenizer.json: model.vocab: the id of \"f\" is not an integer"},
      {R"({"model": {"merges": null}})", "tokenizer.json: model: \"merges\" is missing"},
      {R"({"model": {"merges": "a b"}})", "tokenizer.json: model.merges: must be an array, found a string"},
      {R"({"model": {"merges": ["a b", "z a"]}})",
       "tokenizer.json: model.merges: entry 1: \"z\" is not in the vocabulary"},
      {R"({"model": {"merges": [["a", "c"]]}})",
       "tokenizer.json: model.merges: entry 0: \"ac\" is not in the vocabulary"},
      {R"({"model": {"merges": ["a b c"]}})",
       "tokenizer.json: model.merges: entry 0: \"a b c\" is not two pieces with a space between them"},
      {R"({"model": {"merges": ["ab"]}})",
       "tokenizer.json: model.merges: entry 0: \"ab\" is not two pieces with a space between them"},
      {R"({"model": {"merges": [["a"]]}})",
       "tokenizer.json: model.merges: entry 0: must be a string or a pair of strings"},
      {R"({"model": {"merges": [["a", 1]]}})",
       "tokenizer.json: model.merges: entry 0: must be a string or a pair of strings"},
      {R"({"model": {"merges": [3]}})",
       "tokenizer.json: model.merges: entry 0: must be a string or a pair of strings"},
      {R"({"model": {"dropout": 0.1}})",
       "tokenizer.json: model.dropout: is not supported: ids would be random"},
      {R"({"model": {"continuing_subword_prefix": "##"}})",
       "tokenizer.json: model.continuing_subword_prefix: is not supported"},
      {R"({"model": {"end_of_word_suffix": "</w>"}})",
       "tokenizer.json: model.end_of_word_suffix: is not supported"},
      {R"({"model": {"ignore_merges": 1}})",
       "tokenizer.json: model.ignore_merges: must be true or false, found a number"},
      {R"({"model": {"unk_token": "<unk>"}})",
       "tokenizer.json: model.unk_token: \"<unk>\" is not in the vocabulary"},
      {R"({"model": {"byte_fallback": true}})",
       "tokenizer.json: model: byte_fallback with an incomplete byte-level alphabet is not supported"},
      {R"({"version": "2.0"})", "tokenizer.json: version: \"2.0\" is not supported, only \"1.0\""},
      {R"({"normalizer": {"type": "Nmt"}})",
       "tokenizer.json: normalizer: the normalizer \"Nmt\" is not supported"},
      {R"({"normalizer": {}})", "tokenizer.json: normalizer: \"type\" is missing"},
      {R"({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Strip"}]}})",
       "tokenizer.json: normalizer.normalizers[1]: \"strip_left\" is missing"},
      {R"({"normalizer": {"type": "Replace", "pattern": {}, "content": ""}})",
       "tokenizer.json: normalizer.pattern: must have \"String\" or \"Regex\""},
      {R"({"pre_tokenizer": {"type": "BertPreTokenizer"}})",
       "tokenizer.json: pre_tokenizer: the pre-tokenizer \"BertPreTokenizer\" is not supported"},
      {R"({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "Digits"}]}})",
       "tokenizer.json: pre_tokenizer.pretokenizers[1]: \"Digits\" follows ByteLevel, which must be the last "
       "pre-tokenizer"},
      {R"({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated", "invert": false}})",
       "tokenizer.json: pre_tokenizer.pattern.Regex: the regular expression \"(a\": a group is not closed"},
      {R"({"pre_tokenizer": {"type": "Split", "pattern": {"String": "a"}, "behavior": "Gone", "invert": false}})",
       "tokenizer.json: pre_tokenizer.behavior: the behavior \"Gone\" is unknown"},
      {R"({"pre_tokenizer": {"type": "Metaspace", "replacement": "xy"}})",
       "tokenizer.json: pre_tokenizer.replacement: must be one character"},
      {R"({"pre_tokenizer": {"type": "Metaspace", "replacement": "x", "prepend_scheme": "last"}})",
       "tokenizer.json: pre_tokenizer.prepend_scheme: the prepend_scheme \"last\" is unknown"},
      {R"({"post_processor": {"type": "Magic"}})",
       "tokenizer.json: post_processor: the post-processor \"Magic\" is not supported"},
      {R"({"post_processor": {"type": "BertProcessing", "cls": ["x", 77], "sep": ["y", 1]}})",
       "tokenizer.json: post_processor: the id 77 is not in the vocabulary"},
      {R"({"post_processor": {"type": "BertProcessing", "cls": ["x"], "sep": ["y", 1]}})",
       "tokenizer.json: post_processor.cls: must be a token and its id"},
      {R"({"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "s"}}],
           "special_tokens": {}}})",
       "tokenizer.json: post_processor.special_tokens: \"s\" is missing"},
      {R"({"post_processor": {"type": "TemplateProcessing", "single": [], "special_tokens": {}}})",
       "tokenizer.json: post_processor.single: must hold the text once"},
      {R"({"post_processor": {"type": "Sequence", "processors": [
            {"type": "BertProcessing", "cls": ["a", 0], "sep": ["b", 1]},
            {"type": "BertProcessing", "cls": ["a", 0], "sep": ["b", 1]}]}})",
       "tokenizer.json: post_processor.processors[1]: a second post-processor that adds tokens is not "
       "supported"},
      {R"({"decoder": {"type": "CTC"}})", "tokenizer.json: decoder: the decoder \"CTC\" is not supported"},
      {R"({"added_tokens": {}})", "tokenizer.json: added_tokens: must be an array, found an object"},
      {R"({"added_tokens": [{"content": "<y>"}]})", "tokenizer.json: added_tokens[0]: \"id\" is missing"},
      {R"({"added_tokens": [{"id": "9", "content": "<y>"}]})",
       "tokenizer.json: added_tokens[0].id: must be an integer, found a string"},
      {R"({"added_tokens": [{"id": -3, "content": "<y>"}]})",
       "tokenizer.json: added_tokens[0]: the id -3 is not in 0..16777215"},
      {R"({"added_tokens": [{"id": 9, "content": ""}]})",
       "tokenizer.json: added_tokens[0]: the content is empty"},
      {R"({"added_tokens": [{"id": 9, "content": "<y>"}, {"id": 9, "content": "<z>"}]})",
       "tokenizer.json: added_tokens[1]: the id 9 is listed twice"},
      {R"({"added_tokens": [{"id": 9, "content": "<y>"}, {"id": 10, "content": "<y>"}]})",
       "tokenizer.json: added_tokens[1]: \"<y>\" is listed twice"},
      {R"({"added_tokens": [{"id": 9, "content": "ab"}]})",
       "tokenizer.json: added_tokens[0]: \"ab\" has the id 9, and 6 in the vocabulary"},
      {R"({"added_tokens": [{"id": 6, "content": "<y>"}]})",
       "tokenizer.json: added_tokens[0]: the id 6 of \"<y>\" is that of \"ab\" in the vocabulary"},
      {R"({"normalizer": {"type": "Lowercase"}, "added_tokens": [
            {"id": 9, "content": "<Y>", "normalized": true}, {"id": 10, "content": "<y>", "normalized": true}]})",
       "tokenizer.json: the added tokens 9 and 10 match the same text \"<y>\""},
  };
  for (const auto& [change, sentence] : cases) {
    Json file = small_tokenizer();
    file.merge_patch(parse_json(change, "case"));
    EXPECT_EQ(refusal(file.dump()), sentence) << change;
  }
}

TEST_F(Malformed, Files) {
  const std::string text = small_tokenizer().dump();
  EXPECT_EQ(refusal(text), "accepted");
  EXPECT_THAT(refusal(""), HasSubstr("tokenizer.json: not valid JSON"));
  EXPECT_THAT(refusal("[1, 2]"), HasSubstr("tokenizer.json: must be an object, found an array"));
  EXPECT_THAT(refusal(text.substr(0, text.size() / 2)), HasSubstr("tokenizer.json: not valid JSON"));
  EXPECT_THAT(refusal("{\"model\": \"\xff\"}"), HasSubstr("tokenizer.json: not valid JSON"));
  EXPECT_THAT(refusal(std::string(100'000, '[')), HasSubstr("tokenizer.json: not valid JSON"));
  EXPECT_THAT(refusal(R"({"model": {"type": "BPE", "vocab": {"a": 0, "a": 1}, "merges": []}})"),
              HasSubstr("model.vocab: \"a\" is listed twice"));
  EXPECT_THAT(refusal(R"({"model": {"type": "BPE", "vocab": {}, "merges": []}})"),
              HasSubstr("model.vocab: is empty"));
  std::filesystem::remove(folder_ / "tokenizer.json");
  EXPECT_THROW(Tokenizer::load(folder_), Error);
  EXPECT_THROW(Tokenizer::load(folder_ / "nothing"), Error);
}

TEST_F(Malformed, NestingIsBounded) {
  for (const auto& [part, members] : {std::pair("normalizer", "normalizers"),
                                      {"pre_tokenizer", "pretokenizers"},
                                      {"post_processor", "processors"},
                                      {"decoder", "decoders"}}) {
    Json nested = {{"type", "Sequence"}, {members, Json::array()}};
    for (int depth = 0; depth < 40; ++depth)
      nested = {{"type", "Sequence"}, {members, Json::array({nested})}};
    Json file = small_tokenizer();
    file[part] = nested;
    EXPECT_THAT(refusal(file.dump()), HasSubstr("Sequences are nested too deeply")) << part;
  }
}

}  // namespace
}  // namespace committee::tokenizer
