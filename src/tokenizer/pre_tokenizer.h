#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "tokenizer/json_node.h"
#include "tokenizer/piece.h"
#include "tokenizer/regex.h"

namespace committee::tokenizer {

// The "pre_tokenizer" of a tokenizer.json: ByteLevel, Split, Digits, Punctuation, Whitespace,
// WhitespaceSplit, CharDelimiterSplit, Metaspace and Sequences of them. ByteLevel must be the last: the bytes
// it spells as letters stay bytes here.
class PreTokenizer {
 public:
  using Sink = std::function<void(const Piece&)>;

  PreTokenizer() = default;
  // Throws Error for other kinds, by name, and malformed ones.
  explicit PreTokenizer(const JsonNode& node) { add(node, 0); }

  // Calls `sink` for every word of `piece`, in order, none of them empty.
  void split(const Piece& piece, RegexScratch& scratch, const Sink& sink) const {
    run(0, piece, {scratch, sink});
  }

  // Whether words are to be read as bytes rather than characters.
  bool byte_level() const { return byte_level_; }

 private:
  enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
  enum class Prepend { kAlways, kFirst, kNever };

  struct Split {
    Regex regex;
    Behavior behavior;
    bool invert;
  };
  // ByteLevel's add_prefix_space.
  struct PrefixSpace {};
  // Spaces become `mark`, and one is put in front. The split at the marks is a step of its own.
  struct Metaspace {
    std::string mark;
    Prepend prepend;
  };
  using Step = std::variant<Split, PrefixSpace, Metaspace>;

  struct Run {
    RegexScratch& scratch;
    const Sink& sink;
  };

  void add(const JsonNode& node, int depth);
  void add_split(Regex regex, Behavior behavior, bool invert = false);
  void add_byte_level(const JsonNode& node);
  void add_metaspace(const JsonNode& node);
  static Behavior parse_behavior(const JsonNode& node);

  void run(size_t step, const Piece& piece, const Run& context) const;
  static void apply(const Split& split, const Piece& piece, RegexScratch& scratch, const Sink& next);
  static void apply(const PrefixSpace&, const Piece& piece, RegexScratch& scratch, const Sink& next);
  static void apply(const Metaspace& metaspace, const Piece& piece, RegexScratch& scratch, const Sink& next);

  std::vector<Step> steps_;
  bool byte_level_ = false;
};

}  // namespace committee::tokenizer
