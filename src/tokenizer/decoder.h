#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/json_node.h"

namespace committee::tokenizer {

// The "decoder" of a tokenizer.json: how the entries of a vocabulary of characters become text. ByteLevel,
// Replace of a string, ByteFallback, Fuse, Strip, Metaspace and Sequences of them.
class Decoder {
 public:
  Decoder() = default;
  // Throws Error for other kinds, by name, and malformed ones.
  explicit Decoder(const JsonNode& node) { add(node, 0); }

  // The bytes of one entry.
  std::string token(std::string_view content) const;

  // What is taken off both ends of a whole text.
  void strip(std::string& text) const;

 private:
  void add(const JsonNode& node, int depth);

  std::vector<std::pair<std::string, std::string>> replacements_;
  bool byte_fallback_ = false;
  std::string stripped_;
  int64_t strip_begin_ = 0, strip_end_ = 0;  // how often
};

}  // namespace committee::tokenizer
