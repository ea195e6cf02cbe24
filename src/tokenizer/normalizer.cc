#include "tokenizer/normalizer.h"

#include <memory>

#include "tokenizer/normal_forms.h"
#include "tokenizer/unicode.h"

namespace committee::tokenizer {
namespace {

void to_lowercase(std::string_view text, Rewriter& rewriter) {
  std::string lower;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = next_code_point(text, at);
    lower.clear();
    append_utf8(lower, c == 0x130 ? U'i' : lowercase(c));
    if (c == 0x130) append_utf8(lower, 0x307);  // İ is the one letter with a longer lowercase
    rewriter.replace(begin, at, lower);
  }
}

void strip(std::string_view text, Rewriter& rewriter, bool left, bool right) {
  size_t begin = 0, end = text.size();
  while (left && begin < end) {
    size_t next = begin;
    if (!white_space().contains(next_code_point(text, next))) break;
    begin = next;
  }
  while (right && end > begin) {
    const size_t previous = previous_code_point(text, end);
    size_t at = previous;
    if (!white_space().contains(next_code_point(text, at))) break;
    end = previous;
  }
  rewriter.replace(0, begin, "");
  rewriter.replace(end, text.size(), "");
}

}  // namespace

Regex parse_pattern(const JsonNode& node) {
  if (const auto text = node.find("String")) return Regex::literal(text->text(), text->where());
  if (const auto pattern = node.find("Regex")) return Regex::pattern(pattern->text(), pattern->where());
  node.fail("must have \"String\" or \"Regex\"");
}

void Normalizer::add(const JsonNode& node, int depth) {
  const std::string_view type = node.at("type").text();
  const auto form = [&](NormalForm wanted) {
    steps_.push_back([wanted](std::string_view text, Rewriter& rewriter, RegexScratch&) {
      normalise(wanted, rewriter, text);
    });
  };
  if (type == "Sequence") {
    if (depth == kMaxSequenceDepth) node.fail("Sequences are nested too deeply");
    for (const auto& item : node.at("normalizers").items()) add(item, depth + 1);
  } else if (type == "NFC") {
    form(NormalForm::kNfc);
  } else if (type == "NFD") {
    form(NormalForm::kNfd);
  } else if (type == "NFKC") {
    form(NormalForm::kNfkc);
  } else if (type == "NFKD") {
    form(NormalForm::kNfkd);
  } else if (type == "Lowercase") {
    steps_.push_back(
        [](std::string_view text, Rewriter& rewriter, RegexScratch&) { to_lowercase(text, rewriter); });
  } else if (type == "Strip") {
    const bool left = node.at("strip_left").boolean(), right = node.at("strip_right").boolean();
    steps_.push_back([left, right](std::string_view text, Rewriter& rewriter, RegexScratch&) {
      strip(text, rewriter, left, right);
    });
  } else if (type == "Prepend") {
    steps_.push_back([prefix = std::string(node.at("prepend").text())](std::string_view text,
                                                                       Rewriter& rewriter, RegexScratch&) {
      if (!text.empty()) rewriter.replace(0, 0, prefix);
    });
  } else if (type == "Replace") {
    auto pattern = std::make_shared<Regex>(parse_pattern(node.at("pattern")));
    steps_.push_back([pattern, with = std::string(node.at("content").text())](
                         std::string_view text, Rewriter& rewriter, RegexScratch& scratch) {
      pattern->for_each_part(text, scratch, [&](size_t begin, size_t end, bool is_match) {
        if (is_match) rewriter.replace(begin, end, with);
      });
    });
  } else {
    node.fail("the normalizer \"{}\" is not supported", type);
  }
}

Piece Normalizer::apply(const Piece& piece, std::deque<std::pair<Piece, Rewritten>>& texts,
                        RegexScratch& scratch) const {
  Piece current = piece;
  for (const Step& step : steps_) {
    Rewriter rewriter(current.text);
    step(current.text, rewriter, scratch);
    Rewritten rewritten;
    if (!rewriter.finish(rewritten)) continue;
    auto& [from, kept] = texts.emplace_back(current, std::move(rewritten));
    current = from.as(kept);
  }
  return current;
}

std::string Normalizer::apply(std::string_view text) const {
  std::deque<std::pair<Piece, Rewritten>> texts;
  RegexScratch scratch;
  return std::string(apply(Piece{text}, texts, scratch).text);
}

}  // namespace committee::tokenizer
