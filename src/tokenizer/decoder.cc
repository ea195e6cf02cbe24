#include "tokenizer/decoder.h"

#include <charconv>

#include "tokenizer/normalizer.h"

namespace committee::tokenizer {

void Decoder::add(const JsonNode& node, int depth) {
  const std::string_view type = node.at("type").text();
  if (type == "Sequence") {
    if (depth == kMaxSequenceDepth) node.fail("Sequences are nested too deeply");
    for (const auto& item : node.at("decoders").items()) add(item, depth + 1);
  } else if (type == "Replace") {
    const std::string_view text = node.at("pattern").at("String").text();
    if (text.empty()) node.fail("replaces an empty string");
    replacements_.emplace_back(text, node.at("content").text());
  } else if (type == "ByteFallback") {
    byte_fallback_ = true;
  } else if (type == "Strip") {
    stripped_ = node.at("content").text();
    strip_begin_ = node.at("start").integer();
    strip_end_ = node.at("stop").integer();
  } else if (type == "Metaspace") {
    replacements_.emplace_back(node.at("replacement").text(), " ");
    const auto scheme = node.find("prepend_scheme");
    if (!scheme || scheme->text() != "never") {
      stripped_ = " ";
      strip_begin_ = 1;
    }
  } else if (type != "ByteLevel" && type != "Fuse") {
    node.fail("the decoder \"{}\" is not supported", type);
  }
}

std::string Decoder::token(std::string_view content) const {
  if (byte_fallback_ && content.size() == 6 && content.starts_with("<0x") && content.ends_with('>')) {
    unsigned byte = 0;
    const auto [end, problem] = std::from_chars(content.data() + 3, content.data() + 5, byte, 16);
    if (problem == std::errc() && end == content.data() + 5) return std::string(1, static_cast<char>(byte));
  }
  std::string text(content);
  for (const auto& [from, to] : replacements_) {
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
  }
  return text;
}

void Decoder::strip(std::string& text) const {
  if (stripped_.empty()) return;
  for (int64_t i = 0; i < strip_begin_ && text.starts_with(stripped_); ++i) text.erase(0, stripped_.size());
  for (int64_t i = 0; i < strip_end_ && text.ends_with(stripped_); ++i) {
    text.resize(text.size() - stripped_.size());
  }
}

}  // namespace committee::tokenizer
