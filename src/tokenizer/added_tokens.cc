#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "tokenizer/unicode.h"

namespace committee::tokenizer {
namespace {

auto next_of(auto& node, unsigned char byte) {
  return std::find_if(node.next.begin(), node.next.end(),
                      [byte](const auto& edge) { return edge.first == byte; });
}

}  // namespace

void AddedTokenMatcher::add(std::string_view pattern, const AddedToken& token, const std::string& file) {
  if (pattern.empty()) throw Error("{}: the added token {} is normalised to nothing", file, token.id);
  begins_[static_cast<unsigned char>(pattern[0])] = true;
  uint32_t at = 0;
  for (const char c : pattern) {
    const auto byte = static_cast<unsigned char>(c);
    const auto edge = next_of(nodes_[at], byte);
    if (edge != nodes_[at].next.end()) {
      at = edge->second;
      continue;
    }
    const auto created = static_cast<uint32_t>(nodes_.size());
    nodes_[at].next.emplace_back(byte, created);
    nodes_.emplace_back();
    at = created;
  }
  if (nodes_[at].token != nullptr) {
    throw Error("{}: the added tokens {} and {} match the same text \"{}\"", file, nodes_[at].token->id,
                token.id, pattern);
  }
  nodes_[at].token = &token;
}

std::optional<AddedTokenMatcher::Part> AddedTokenMatcher::find(std::string_view text, size_t from) const {
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (!begins_[static_cast<unsigned char>(text[begin])]) continue;
    std::optional<Part> longest;
    uint32_t at = 0;
    for (size_t i = begin; i < text.size(); ++i) {
      const auto edge = next_of(nodes_[at], static_cast<unsigned char>(text[i]));
      if (edge == nodes_[at].next.end()) break;
      at = edge->second;
      if (nodes_[at].token != nullptr) longest = Part{begin, i + 1, nodes_[at].token};
    }
    if (longest) return longest;
  }
  return std::nullopt;
}

bool AddedTokenMatcher::stands_alone(std::string_view text, const Part& match) {
  if (!match.token->single_word) return true;
  if (match.begin > 0) {
    size_t before = previous_code_point(text, match.begin);
    if (word_with_joiners().contains(next_code_point(text, before))) return false;
  }
  size_t after = match.end;
  return after == text.size() || !word_with_joiners().contains(next_code_point(text, after));
}

void AddedTokenMatcher::widen(std::string_view text, size_t done, Part& match) {
  while (match.token->lstrip && match.begin > done) {
    const size_t previous = previous_code_point(text, match.begin);
    size_t at = previous;
    if (!white_space().contains(next_code_point(text, at))) break;
    match.begin = previous;
  }
  while (match.token->rstrip && match.end < text.size()) {
    size_t next = match.end;
    if (!white_space().contains(next_code_point(text, next))) break;
    match.end = next;
  }
}

AddedTokens::AddedTokens(const std::optional<JsonNode>& node, const std::string& file, const Bpe& model,
                         const Normalizer& normalizer) {
  if (!node) return;
  for (const JsonNode& item : node->items()) add(item, model);
  for (const auto& [id, token] : tokens_) {
    if (token.normalized) {
      normalised_.add(normalizer.apply(token.content), token, file);
    } else {
      raw_.add(token.content, token, file);
    }
  }
}

void AddedTokens::add(const JsonNode& node, const Bpe& model) {
  AddedToken token;
  const int64_t id = node.at("id").integer();
  if (id < 0 || id > Bpe::kMaxId) node.fail("the id {} is not in 0..{}", id, Bpe::kMaxId);
  token.id = static_cast<int32_t>(id);
  token.content = node.at("content").text();
  if (token.content.empty()) node.fail("the content is empty");
  token.single_word = node.flag("single_word", false);
  token.lstrip = node.flag("lstrip", false);
  token.rstrip = node.flag("rstrip", false);
  token.normalized = node.flag("normalized", !node.flag("special", false));
  const int32_t listed = model.contents().find(token.content);
  if (listed != TextTable::kNone && listed != token.id) {
    node.fail("\"{}\" has the id {}, and {} in the vocabulary", token.content, token.id, listed);
  }
  if (listed == TextTable::kNone && model.contents().has(token.id)) {
    node.fail("the id {} of \"{}\" is that of \"{}\" in the vocabulary", token.id, token.content,
              model.contents().text(token.id));
  }
  if (!ids_.emplace(token.content, token.id).second) node.fail("\"{}\" is listed twice", token.content);
  if (!tokens_.emplace(token.id, token).second) node.fail("the id {} is listed twice", token.id);
}

const AddedToken* AddedTokens::find(std::string_view content) const {
  const auto at = ids_.find(content);
  return at == ids_.end() ? nullptr : find(at->second);
}

const AddedToken* AddedTokens::find(int32_t id) const {
  const auto at = tokens_.find(id);
  return at == tokens_.end() ? nullptr : &at->second;
}

int32_t AddedTokens::largest_id() const { return tokens_.empty() ? -1 : tokens_.rbegin()->first; }

}  // namespace committee::tokenizer
