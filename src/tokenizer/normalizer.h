#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "tokenizer/json_node.h"
#include "tokenizer/piece.h"
#include "tokenizer/regex.h"

namespace committee::tokenizer {

// The "normalizer" of a tokenizer.json: NFC, NFD, NFKC, NFKD, Lowercase, Strip, Replace, Prepend and
// Sequences of them.
class Normalizer {
 public:
  Normalizer() = default;
  // Throws Error for other kinds, by name, and malformed ones.
  explicit Normalizer(const JsonNode& node) { add(node, 0); }

  // The piece after all steps. `texts` keeps what was rewritten; `piece` and `texts` must outlive the result.
  Piece apply(const Piece& piece, std::deque<std::pair<Piece, Rewritten>>& texts,
              RegexScratch& scratch) const;

  std::string apply(std::string_view text) const;

 private:
  using Step = std::function<void(std::string_view text, Rewriter& rewriter, RegexScratch& scratch)>;

  void add(const JsonNode& node, int depth);

  std::vector<Step> steps_;
};

// {"String": ..} or {"Regex": ..}, the "pattern" of Replace and Split.
Regex parse_pattern(const JsonNode& node);

// Sequences of parts may be nested so deep, not deeper.
inline constexpr int kMaxSequenceDepth = 16;

}  // namespace committee::tokenizer
