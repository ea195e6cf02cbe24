#include "tokenizer/tokenizer.h"

#include "sandbox.h"
#include "targets.h"

namespace committee::fuzz {
namespace {

constexpr std::string_view kText =
    "Hello  world's\t\n12345 cafe\xCC\x81 \xE4\xB8\xAD\xE6\x96\x87 <s>[INST]  don't\xF0\x9F\x98\x80\n\n  x";

void encode_and_check(const tokenizer::Tokenizer& tokenizer, std::string_view text) {
  answer([&] {
    const auto encoding = tokenizer.encode(text);
    uint32_t end = 0;
    for (size_t i = 0; i < encoding.ids.size(); ++i) {
      if (encoding.begin[i] < end || encoding.end[i] < encoding.begin[i] || encoding.end[i] > text.size())
        std::abort();
      end = encoding.end[i];
      tokenizer.token_text(encoding.ids[i]);
    }
    tokenizer.decode(encoding.ids);
  });
}

}  // namespace

// tokenizer.json, and a text to encode behind the mark.
void tokenizer(std::string_view input) {
  const auto parts = cut(input, 2);
  const auto path = put("tokenizer.json", parts[0]);
  answer([&] {
    const auto tokenizer = tokenizer::Tokenizer::load(path);
    tokenizer.vocab_size();
    encode_and_check(tokenizer, kText);
    if (parts.size() > 1) encode_and_check(tokenizer, parts[1]);
  });
}

// A text, under the rules of three families, with no vocabulary but the bytes.
void encode(std::string_view input) {
  constexpr const char* kPreTokenizers[] = {
      R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":true})",
      R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false}]})",
      R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"[\r\n]"},"behavior":"Isolated","invert":false},{"type":"Split","pattern":{"Regex":"\\s?\\p{L}+"},"behavior":"Isolated","invert":false},{"type":"Split","pattern":{"Regex":"\\s+$"},"behavior":"Isolated","invert":false},{"type":"Digits","individual_digits":true},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]})"};
  static const auto tokenizers = [&] {
    std::vector<tokenizer::Tokenizer> made;
    for (const char* rules : kPreTokenizers) {
      made.push_back(tokenizer::Tokenizer::load(put(
          "tokenizer.json",
          fmt::format(
              R"({{"version":"1.0","normalizer":{{"type":"NFC"}},"pre_tokenizer":{},"added_tokens":[)"
              R"({{"id":5,"content":"<s>","special":true,"normalized":false,"lstrip":true,"rstrip":true}},)"
              R"({{"id":6,"content":"e\u0301x","special":false,"normalized":true,"single_word":true}}],)"
              R"("model":{{"type":"BPE","unk_token":"a","vocab":{{"a":0,"b":1,"ab":2,"\u0120":3,"\u0120a":4}},)"
              R"("merges":["a b","\u0120 a"]}}}})",
              rules))));
    }
    return made;
  }();
  const size_t choice = take_choice(input, std::size(kPreTokenizers));
  encode_and_check(tokenizers[choice], input);
}

}  // namespace committee::fuzz
