#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tokenizer/json_node.h"
#include "tokenizer/merges.h"
#include "tokenizer/text_table.h"

namespace committee::tokenizer {

// The "model" of a tokenizer.json, type BPE: vocabulary and merges.
class Bpe {
 public:
  // Ids above are refused: tables are as long as the largest id.
  static constexpr int32_t kMaxId = (1 << 24) - 1;

  // `byte_level`: words come as bytes, and the vocabulary spells bytes as characters (byte_level.h). Throws
  // Error for whatever is malformed or not supported.
  Bpe(const JsonNode& model, bool byte_level);

  struct Scratch {
    Symbols symbols;
    Merges::Scratch merges;
  };

  // The tokens of one word, in scratch.symbols. Characters without a token become the unknown token, where
  // there is one, or are dropped.
  void encode(std::string_view word, Scratch& scratch) const;

  // Entries as the file spells them.
  const TextTable& contents() const { return contents_; }
  // The bytes of an entry: its content where no spelling of bytes is known for it.
  std::string_view bytes(int32_t id) const;

 private:
  void read_vocabulary(const JsonNode& vocabulary);
  void read_alphabet(const JsonNode& model);
  void read_merges(const JsonNode& merges);
  int32_t piece(const JsonNode& merges, size_t index, std::string_view text) const;

  void split_bytes(std::string_view word, Symbols& symbols) const;
  void split_characters(std::string_view word, Symbols& symbols) const;

  // Entries by the text that words are made of.
  const TextTable& words() const { return byte_level_ ? bytes_ : contents_; }

  bool byte_level_, ignore_merges_, fuse_unknown_, byte_fallback_;
  TextTable contents_, bytes_;
  size_t longest_ = 0;  // bytes of the longest entry
  std::optional<int32_t> unknown_;
  std::array<int32_t, 256>
      byte_symbols_;  // tokens of single bytes (of <0x00>.. with byte_fallback), or kNone
  Merges merges_;

  // Whether the merges make an entry's text that one token: not asked yet, yes, no. Learned as words come by;
  // most words of a text are an entry, and need no merging once this is known.
  enum Whole : uint8_t { kUnasked, kYes, kNo };
  std::unique_ptr<std::atomic<uint8_t>[]> whole_;
};

}  // namespace committee::tokenizer
