#include "tokenizer/piece.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace committee::tokenizer {

uint32_t Rewritten::before(uint32_t offset) const {
  // The last edit that begins at or before `offset`.
  const auto after = std::upper_bound(edits.begin(), edits.end(), offset,
                                      [](uint32_t value, const Edit& edit) { return value < edit.begin; });
  if (after == edits.begin()) return offset;
  const Edit& edit = *std::prev(after);
  if (offset >= edit.end) return edit.to + (offset - edit.end);
  return std::min(edit.from + (offset - edit.begin), edit.to);
}

void Rewriter::replace(size_t begin, size_t end, std::string_view with) {
  if (text_.substr(begin, end - begin) == with) return;
  if (result_.edits.empty()) result_.text.reserve(text_.size() + with.size());
  result_.text += text_.substr(copied_, begin - copied_);
  const size_t at = result_.text.size();
  result_.text += with;
  if (result_.text.size() + (text_.size() - end) > std::numeric_limits<uint32_t>::max()) {
    throw Error("a text grows beyond 4 GiB in normalisation");
  }
  result_.edits.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(result_.text.size()),
                           static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
  copied_ = end;
}

bool Rewriter::finish(Rewritten& result) {
  if (result_.edits.empty()) return false;
  result_.text += text_.substr(copied_);
  result = std::move(result_);
  return true;
}

uint32_t Piece::original(size_t at) const {
  auto place = static_cast<uint32_t>(offset + at);
  for (const Piece* piece = this; piece->source != nullptr;) {
    place = piece->source->before(place);
    piece = piece->rewritten_from;
    place += piece->offset;
  }
  return place;
}

}  // namespace committee::tokenizer
