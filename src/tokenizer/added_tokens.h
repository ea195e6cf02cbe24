#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/json_node.h"
#include "tokenizer/normalizer.h"

namespace committee::tokenizer {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool single_word = false;             // matches only between characters that are no word characters
  bool lstrip = false, rstrip = false;  // takes the white space beside it
  bool normalized = false;              // is looked for in the normalised text, in its own normalised form
};

// Finds added tokens in a text: at each place the longest one that begins there, from the left.
class AddedTokenMatcher {
 public:
  // Throws Error where two patterns are the same or one is empty; `file` begins the sentence.
  void add(std::string_view pattern, const AddedToken& token, const std::string& file);

  // A stretch [begin, end) of the text: a token, or text between tokens (token null).
  struct Part {
    size_t begin, end;
    const AddedToken* token;
  };

  // Calls part(Part) for all of `text`, in order; none of the stretches between tokens is empty.
  template <typename Function>
  void for_each_part(std::string_view text, Function&& part) const {
    size_t done = 0, from = 0;
    while (auto match = find(text, from)) {
      from = match->end;
      if (!stands_alone(text, *match)) continue;
      widen(text, done, *match);
      if (done < match->begin) part(Part{done, match->begin, nullptr});
      part(*match);
      done = match->end;
    }
    if (done < text.size()) part(Part{done, text.size(), nullptr});
  }

 private:
  struct Node {
    std::vector<std::pair<unsigned char, uint32_t>> next;
    const AddedToken* token = nullptr;
  };

  std::optional<Part> find(std::string_view text, size_t from) const;
  static bool stands_alone(std::string_view text, const Part& match);
  // Takes in the white space that the token strips, but none before `done`.
  static void widen(std::string_view text, size_t done, Part& match);

  std::vector<Node> nodes_{1};      // a trie, its root first
  std::array<bool, 256> begins_{};  // bytes with which a pattern begins
};

// The "added_tokens" of a tokenizer.json.
class AddedTokens {
 public:
  // An entry whose content the vocabulary has must have its id there.
  AddedTokens(const std::optional<JsonNode>& node, const std::string& file, const Bpe& model,
              const Normalizer& normalizer);
  AddedTokens(const AddedTokens&) = delete;
  AddedTokens& operator=(const AddedTokens&) = delete;

  const AddedTokenMatcher& before_normalising() const { return raw_; }
  const AddedTokenMatcher& after_normalising() const { return normalised_; }

  const AddedToken* find(std::string_view content) const;
  const AddedToken* find(int32_t id) const;
  int32_t largest_id() const;

 private:
  void add(const JsonNode& node, const Bpe& model);

  std::map<int32_t, AddedToken> tokens_;
  std::map<std::string, int32_t, std::less<>> ids_;
  AddedTokenMatcher raw_, normalised_;
};

}  // namespace committee::tokenizer
