#include "tokenizer/bpe.h"

#include <algorithm>

#include "tokenizer/byte_level.h"
#include "tokenizer/code_points.h"

namespace committee::tokenizer {
namespace {

constexpr size_t kAlwaysAllowed = 1 << 16, kMostGaps = 8;  // ids that a vocabulary may leave out, an entry

void refuse_affix(const JsonNode& model, std::string_view key) {
  const auto affix = model.find(key);
  if (affix && !affix->text().empty()) affix->fail("is not supported");
}

void refuse_dropout(const JsonNode& model) {
  const auto dropout = model.find("dropout");
  double value = 0;
  if (dropout && (dropout->raw().get(value) != simdjson::SUCCESS || value != 0)) {
    dropout->fail("is not supported: ids would be random");
  }
}

}  // namespace

Bpe::Bpe(const JsonNode& model, bool byte_level)
    : byte_level_(byte_level),
      ignore_merges_(model.flag("ignore_merges", false)),
      fuse_unknown_(model.flag("fuse_unk", false)),
      byte_fallback_(model.flag("byte_fallback", false)) {
  const auto type = model.find("type");
  if (type && type->text() != "BPE") type->fail("the model \"{}\" is not supported, only BPE", type->text());
  refuse_affix(model, "continuing_subword_prefix");
  refuse_affix(model, "end_of_word_suffix");
  refuse_dropout(model);
  read_vocabulary(model.at("vocab"));
  read_alphabet(model);
  read_merges(model.at("merges"));
  whole_ = std::make_unique<std::atomic<uint8_t>[]>(static_cast<size_t>(contents_.size()));
}

void Bpe::read_vocabulary(const JsonNode& vocabulary) {
  const auto entries = vocabulary.object();
  size_t count = 0, bytes = 0;
  int64_t largest = 0;
  for (const auto& [content, value] : entries) {
    int64_t id = 0;
    if (value.get(id) != simdjson::SUCCESS) vocabulary.fail("the id of \"{}\" is not an integer", content);
    if (id < 0 || id > kMaxId) vocabulary.fail("the id of \"{}\" is {}, not in 0..{}", content, id, kMaxId);
    ++count;
    bytes += content.size();
    largest = std::max(largest, id);
  }
  if (count == 0) vocabulary.fail("is empty");
  // Tables are by id, so a gap costs memory that no byte of the file pays for.
  if (static_cast<size_t>(largest) > kAlwaysAllowed + kMostGaps * count) {
    vocabulary.fail("has the id {}, far beyond its {} entries", largest, count);
  }
  contents_ = TextTable(count, bytes, count);
  if (byte_level_) bytes_ = TextTable(count, bytes, count);
  for (const auto& [content, value] : entries) {
    const auto id = static_cast<int32_t>(value.get_int64().value_unsafe());
    if (contents_.has(id)) {
      vocabulary.fail("\"{}\" and \"{}\" have the same id {}", contents_.text(id), content, id);
    }
    if (contents_.add(content, id) != TextTable::kNone) vocabulary.fail("\"{}\" is listed twice", content);
    longest_ = std::max(longest_, content.size());
    if (!byte_level_) continue;
    if (const auto spelt = bytes_of_spelling(content)) bytes_.add(*spelt, id);
  }
}

void Bpe::read_alphabet(const JsonNode& model) {
  bool complete = true;
  for (size_t byte = 0; byte < 256; ++byte) {
    std::string symbol;
    if (byte_level_) {
      append_utf8(symbol, character_of_byte(static_cast<unsigned char>(byte)));
    } else {
      symbol = fmt::format("<0x{:02X}>", byte);
    }
    byte_symbols_[byte] = contents_.find(symbol);
    complete = complete && byte_symbols_[byte] != TextTable::kNone;
  }
  if (byte_level_ && complete) return;
  if (byte_level_ && byte_fallback_)
    model.fail("byte_fallback with an incomplete byte-level alphabet is not supported");
  const auto unknown = model.find("unk_token");
  if (!unknown) return;
  unknown_ = contents_.find(unknown->text());
  if (*unknown_ == TextTable::kNone) unknown->fail("\"{}\" is not in the vocabulary", unknown->text());
}

int32_t Bpe::piece(const JsonNode& merges, size_t index, std::string_view text) const {
  const int32_t id = contents_.find(text);
  if (id == TextTable::kNone) merges.fail("entry {}: \"{}\" is not in the vocabulary", index, text);
  return id;
}

void Bpe::read_merges(const JsonNode& merges) {
  const auto list = merges.array();
  merges_ = Merges(list.size());
  size_t index = 0;
  uint32_t rank = 0;
  std::string joined;
  for (const auto entry : list) {
    std::string_view left, right, text;
    simdjson::dom::array pair;
    if (entry.get(text) == simdjson::SUCCESS) {
      if (text.starts_with("#version")) continue;
      const size_t space = text.find(' ');
      if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
        merges.fail("entry {}: \"{}\" is not two pieces with a space between them", index, text);
      }
      left = text.substr(0, space);
      right = text.substr(space + 1);
    } else if (entry.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
               pair.at(0).get(left) != simdjson::SUCCESS || pair.at(1).get(right) != simdjson::SUCCESS) {
      merges.fail("entry {}: must be a string or a pair of strings", index);
    }
    joined.assign(left).append(right);
    const int32_t first = piece(merges, index, left), second = piece(merges, index, right);
    merges_.add(first, second, {rank++, piece(merges, index, joined)});
    ++index;
  }
}

std::string_view Bpe::bytes(int32_t id) const {
  return bytes_.has(id) ? bytes_.text(id) : contents_.text(id);
}

void Bpe::encode(std::string_view word, Scratch& scratch) const {
  Symbols& symbols = scratch.symbols;
  symbols.clear();
  const int32_t id = word.size() <= longest_ ? words().find(word) : TextTable::kNone;
  const bool entry = id != TextTable::kNone;
  std::atomic<uint8_t>* whole = entry ? &whole_[static_cast<size_t>(id)] : nullptr;
  if (entry && (ignore_merges_ || whole->load(std::memory_order_relaxed) == kYes)) return symbols.add(id, 0);
  byte_level_ ? split_bytes(word, symbols) : split_characters(word, symbols);
  merges_.apply(symbols, scratch.merges);
  if (entry) {
    whole->store(symbols.ids.size() == 1 && symbols.ids[0] == id ? kYes : kNo, std::memory_order_relaxed);
  }
}

void Bpe::split_bytes(std::string_view word, Symbols& symbols) const {
  bool after_unknown = false;
  for (size_t i = 0; i < word.size(); ++i) {
    const int32_t symbol = byte_symbols_[static_cast<unsigned char>(word[i])];
    const bool known = symbol != TextTable::kNone;
    if (known) {
      symbols.add(symbol, i);
    } else if (unknown_ && !(after_unknown && fuse_unknown_)) {
      symbols.add(*unknown_, i);
    }
    after_unknown = !known && unknown_;
  }
}

void Bpe::split_characters(std::string_view word, Symbols& symbols) const {
  bool after_unknown = false;
  for (size_t at = 0; at < word.size();) {
    const size_t begin = at;
    next_code_point(word, at);
    const std::string_view character = word.substr(begin, at - begin);
    const int32_t symbol = contents_.find(character);
    const auto has_byte = [&](char byte) {
      return byte_symbols_[static_cast<unsigned char>(byte)] != TextTable::kNone;
    };
    bool unknown = false;
    if (symbol != TextTable::kNone) {
      symbols.add(symbol, begin);
    } else if (byte_fallback_ && std::all_of(character.begin(), character.end(), has_byte)) {
      for (size_t i = begin; i < at; ++i) {
        symbols.add(byte_symbols_[static_cast<unsigned char>(word[i])], i);
      }
    } else if (unknown_) {
      unknown = true;
      if (!(after_unknown && fuse_unknown_)) symbols.add(*unknown_, begin);
    }
    after_unknown = unknown;
  }
}

}  // namespace committee::tokenizer
