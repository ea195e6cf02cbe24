#include "tokenizer/pre_tokenizer.h"

#include <utility>

#include "tokenizer/normalizer.h"
#include "tokenizer/unicode.h"

namespace committee::tokenizer {
namespace {

// What ByteLevel splits by: GPT-2's pattern.
constexpr std::string_view kByteLevelPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

Regex words_or_symbols() {
  CodePoints symbols = word_with_joiners();
  symbols.add(white_space());
  const std::string word = pcre2_class(word_with_joiners(), false), symbol = pcre2_class(symbols, true);
  return Regex::pcre2(word + "+|" + symbol + "+");
}

}  // namespace

void PreTokenizer::add(const JsonNode& node, int depth) {
  const std::string_view type = node.at("type").text();
  if (byte_level_) node.fail("\"{}\" follows ByteLevel, which must be the last pre-tokenizer", type);
  if (type == "Sequence") {
    if (depth == kMaxSequenceDepth) node.fail("Sequences are nested too deeply");
    for (const auto& item : node.at("pretokenizers").items()) add(item, depth + 1);
  } else if (type == "ByteLevel") {
    add_byte_level(node);
  } else if (type == "Split") {
    Regex pattern = parse_pattern(node.at("pattern"));
    add_split(std::move(pattern), parse_behavior(node.at("behavior")), node.at("invert").boolean());
  } else if (type == "Digits") {
    const bool single = node.flag("individual_digits", false);
    add_split(Regex::one_of(numeric()), single ? Behavior::kIsolated : Behavior::kContiguous);
  } else if (type == "Punctuation") {
    const auto behavior = node.find("behavior");
    add_split(Regex::one_of(punctuation()), behavior ? parse_behavior(*behavior) : Behavior::kIsolated);
  } else if (type == "Whitespace") {
    add_split(words_or_symbols(), Behavior::kRemoved, true);
  } else if (type == "WhitespaceSplit") {
    add_split(Regex::one_of(white_space()), Behavior::kRemoved);
  } else if (type == "CharDelimiterSplit") {
    const JsonNode delimiter = node.at("delimiter");
    add_split(Regex::literal(delimiter.text(), delimiter.where()), Behavior::kRemoved);
  } else if (type == "Metaspace") {
    add_metaspace(node);
  } else {
    node.fail("the pre-tokenizer \"{}\" is not supported", type);
  }
}

PreTokenizer::Behavior PreTokenizer::parse_behavior(const JsonNode& node) {
  const std::string_view name = node.text();
  if (name == "Removed") return Behavior::kRemoved;
  if (name == "Isolated") return Behavior::kIsolated;
  if (name == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return Behavior::kMergedWithNext;
  if (name == "Contiguous") return Behavior::kContiguous;
  node.fail("the behavior \"{}\" is unknown", name);
}

void PreTokenizer::add_split(Regex regex, Behavior behavior, bool invert) {
  steps_.emplace_back(Split{std::move(regex), behavior, invert});
}

void PreTokenizer::add_byte_level(const JsonNode& node) {
  if (node.flag("add_prefix_space", true)) steps_.emplace_back(PrefixSpace{});
  if (node.flag("use_regex", true)) {
    add_split(Regex::pattern(kByteLevelPattern, node.where()), Behavior::kIsolated);
  }
  byte_level_ = true;
}

void PreTokenizer::add_metaspace(const JsonNode& node) {
  const JsonNode mark = node.at("replacement");
  const auto scheme = node.find("prepend_scheme");
  const std::string_view name = scheme ? scheme->text() : "always";
  auto prepend = Prepend::kAlways;
  if (name == "first") {
    prepend = Prepend::kFirst;
  } else if (name == "never") {
    prepend = Prepend::kNever;
  } else if (name != "always") {
    scheme->fail("the prepend_scheme \"{}\" is unknown", name);
  }
  if (!node.flag("add_prefix_space", true)) prepend = Prepend::kNever;
  size_t end = 0;
  if (!mark.text().empty()) next_code_point(mark.text(), end);
  if (end == 0 || end != mark.text().size()) mark.fail("must be one character");
  steps_.emplace_back(Metaspace{std::string(mark.text()), prepend});
  if (node.flag("split", true)) {
    add_split(Regex::literal(mark.text(), mark.where()), Behavior::kMergedWithNext);
  }
}

void PreTokenizer::run(size_t step, const Piece& piece, const Run& context) const {
  if (piece.text.empty()) return;
  if (step == steps_.size()) return context.sink(piece);
  // Captures no more than a std::function holds without allocating.
  struct {
    const PreTokenizer& self;
    const Run& context;
    size_t step;
  } const here{*this, context, step + 1};
  const Sink next = [&here](const Piece& part) { here.self.run(here.step, part, here.context); };
  std::visit([&](const auto& kind) { apply(kind, piece, context.scratch, next); }, steps_[step]);
}

// Joins parts as the behavior says: a part waits in `held` until it is known whether the next one joins it.
void PreTokenizer::apply(const Split& split, const Piece& piece, RegexScratch& scratch, const Sink& next) {
  struct Held {
    size_t begin = 0, end = 0;
    bool is_match = false, any = false;
  } held;
  const auto flush = [&] {
    if (held.any) next(piece.part(held.begin, held.end));
    held.any = false;
  };
  split.regex.for_each_part(piece.text, scratch, [&](size_t begin, size_t end, bool matched) {
    const bool is_match = matched != split.invert;
    bool joins = false;
    switch (split.behavior) {
      case Behavior::kRemoved:
        if (!is_match) next(piece.part(begin, end));
        return;
      case Behavior::kIsolated:
        return next(piece.part(begin, end));
      case Behavior::kMergedWithPrevious:
        joins = is_match && !held.is_match;
        break;
      case Behavior::kMergedWithNext:
        joins = !is_match && held.is_match;
        break;
      case Behavior::kContiguous:
        joins = is_match == held.is_match;
        break;
    }
    if (held.any && joins) {
      held.end = end;
      held.is_match = is_match;
      return;
    }
    flush();
    held = {begin, end, is_match, true};
  });
  flush();
}

void PreTokenizer::apply(const PrefixSpace&, const Piece& piece, RegexScratch&, const Sink& next) {
  if (piece.text.starts_with(' ')) return next(piece);
  Rewriter rewriter(piece.text);
  rewriter.replace(0, 0, " ");
  Rewritten rewritten;
  rewriter.finish(rewritten);
  next(piece.as(rewritten));
}

void PreTokenizer::apply(const Metaspace& metaspace, const Piece& piece, RegexScratch&, const Sink& next) {
  Rewriter rewriter(piece.text);
  const bool marked = piece.text.starts_with(' ') || piece.text.starts_with(metaspace.mark);
  const bool wanted = metaspace.prepend == Prepend::kAlways ||
                      (metaspace.prepend == Prepend::kFirst && piece.original(0) == 0);
  if (wanted && !marked) rewriter.replace(0, 0, metaspace.mark);
  for (size_t at = piece.text.find(' '); at != std::string_view::npos; at = piece.text.find(' ', at + 1)) {
    rewriter.replace(at, at + 1, metaspace.mark);
  }
  Rewritten rewritten;
  next(rewriter.finish(rewritten) ? piece.as(rewritten) : piece);
}

}  // namespace committee::tokenizer
