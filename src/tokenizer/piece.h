#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace committee::tokenizer {

// [begin, end) of a rewritten text stands for [from, to) of the text before.
struct Edit {
  uint32_t begin, end, from, to;
};

// A text rewritten from another: equal to it but for the edits, which ascend.
struct Rewritten {
  std::string text;
  std::vector<Edit> edits;

  // The offset before the rewriting. Behind the first byte of an edit it moves on byte by byte up to the
  // edit's end.
  uint32_t before(uint32_t offset) const;
};

// Collects the edits of one pass over `text`, which must outlive it. Nothing is copied before the first edit.
class Rewriter {
 public:
  explicit Rewriter(std::string_view text) : text_(text) {}

  // Edits come in ascending order and do not overlap. One that changes nothing is dropped.
  void replace(size_t begin, size_t end, std::string_view with);

  // Whether anything changed; if so, fills `result`. Throws Error where the result would pass 4 GiB.
  bool finish(Rewritten& result);

 private:
  std::string_view text_;
  size_t copied_ = 0;
  Rewritten result_;
};

// Part of the text on its way through the tokenizer: of the original text, or of a text rewritten from a
// piece.
struct Piece {
  std::string_view text;
  uint32_t offset = 0;  // where `text` begins in *source, or in the original text
  const Rewritten* source = nullptr;
  const Piece* rewritten_from = nullptr;  // what *source was made of

  // The offset in the original text of offset `at` of this piece.
  uint32_t original(size_t at) const;

  Piece part(size_t begin, size_t end) const {
    Piece result = *this;
    result.text = text.substr(begin, end - begin);
    result.offset = static_cast<uint32_t>(offset + begin);
    return result;
  }
  // What `rewritten`, made of this piece, is as a piece. Both must outlive it.
  Piece as(const Rewritten& rewritten) const { return {rewritten.text, 0, &rewritten, this}; }
};

}  // namespace committee::tokenizer
