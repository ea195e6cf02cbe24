#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Text to token ids as Hugging Face `tokenizers` does it from a tokenizer.json with a BPE model: added
// tokens, normaliser, pre-tokeniser, merges, post-processor.
namespace committee::tokenizer {

// Whether encode() adds the tokens that the post-processor (or tokenizer_config.json) puts around a text.
enum class SpecialTokens { kAdd, kNone };

// One entry a token. [begin, end) is the token's byte range in the text as given, before normalisation:
// ranges ascend and leave no gap, but for text that the tokenizer drops. Where normalisation changed the
// text, a range is as exact as the changed stretch allows. Tokens that the post-processor adds have an empty
// range.
struct Encoding {
  std::vector<int32_t> ids;
  std::vector<uint32_t> begin, end;
};

// Const members may be called by several threads at once. Copies share the vocabulary.
class Tokenizer {
 public:
  // `folder_or_file`: a tokenizer.json, or a folder that holds one, with a tokenizer_config.json where it
  // exists. Throws Error, naming file and item, for a malformed file and, by name, for a kind of part that is
  // not supported.
  //
  // A beginning-of-sequence token is added where the post-processor says so or tokenizer_config.json has
  // "add_bos_token": true, and once where both do; "add_eos_token" likewise. `false` there takes nothing away
  // from the post-processor. "truncation" and "padding" of tokenizer.json are left to the caller.
  static Tokenizer load(const std::filesystem::path& folder_or_file);

  // Throws Error for invalid UTF-8, with the byte offset, and for texts beyond 1 GiB.
  Encoding encode(std::string_view text, SpecialTokens special = SpecialTokens::kAdd) const;

  // The bytes of the tokens, one after another: not always valid UTF-8. Unknown ids have no bytes.
  std::string decode(std::span<const int32_t> ids) const;

  // The bytes that one token stands for; empty for an id that is not in the vocabulary.
  std::string token_text(int32_t id) const;

  // The id of an added token's content, or of an entry of the vocabulary as tokenizer.json spells it
  // ("Ġthe").
  std::optional<int32_t> token_id(std::string_view content) const;

  // The largest id + 1.
  int32_t vocab_size() const;

  // "bos_token" and "eos_token" of tokenizer_config.json.
  std::optional<int32_t> bos() const;
  std::optional<int32_t> eos() const;

 private:
  struct Parts;
  explicit Tokenizer(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}

  std::shared_ptr<const Parts> parts_;
};

}  // namespace committee::tokenizer
