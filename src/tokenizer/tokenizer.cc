#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <deque>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/utf8.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/decoder.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pre_tokenizer.h"

namespace committee::tokenizer {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxText = size_t{1} << 30;

template <typename Part>
Part read_part(const JsonNode& root, const char* key) {
  const auto node = root.find(key);
  return node ? Part(*node) : Part();
}

}  // namespace

struct Tokenizer::Parts {
  explicit Parts(const JsonNode& root, const std::string& file)
      : normalizer(read_part<Normalizer>(root, "normalizer")),
        pre_tokenizer(read_part<PreTokenizer>(root, "pre_tokenizer")),
        model(root.at("model"), pre_tokenizer.byte_level()),
        added(root.find("added_tokens"), file, model, normalizer),
        post_processor(read_part<PostProcessor>(root, "post_processor")),
        decoder(read_part<Decoder>(root, "decoder")) {
    for (const auto* ids : {&post_processor.before, &post_processor.behind}) {
      for (const int32_t token : *ids) {
        if (!added.find(token) && !model.contents().has(token)) {
          throw Error("{}: post_processor: the id {} is not in the vocabulary", file, token);
        }
      }
    }
  }

  std::optional<int32_t> id(std::string_view content) const {
    if (const AddedToken* token = added.find(content)) return token->id;
    const int32_t id = model.contents().find(content);
    return id == TextTable::kNone ? std::nullopt : std::optional(id);
  }

  std::string text(int32_t id) const {
    if (const AddedToken* token = added.find(id)) return token->content;
    return pre_tokenizer.byte_level() ? std::string(model.bytes(id))
                                      : decoder.token(model.contents().text(id));
  }

  void read_config(const fs::path& path);

  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  Bpe model;
  AddedTokens added;
  PostProcessor post_processor;
  Decoder decoder;
  std::optional<int32_t> bos, eos;
};

namespace {

// tokenizer_config.json names a special token by its content or by an object with it.
std::optional<std::string> read_content(const Json& config, const char* key, const std::string& file) {
  const auto at = config.find(key);
  if (at != config.end() && at->is_object()) return required_field<std::string>(*at, "content", file);
  return optional_field<std::string>(config, key, file);
}

}  // namespace

void Tokenizer::Parts::read_config(const fs::path& path) {
  const std::string file = path.string();
  const Json config = read_json(path);
  if (!config.is_object()) throw Error("{}: must hold a JSON object", file);
  const auto special = [&](const char* key, const char* adds, std::optional<int32_t>& token) {
    const auto content = read_content(config, key, file);
    if (content) token = id(*content);
    const bool wanted = optional_field<bool>(config, adds, file).value_or(false);
    if (wanted && content && !token)
      throw Error("{}: \"{}\", \"{}\", is not in tokenizer.json", file, key, *content);
    return wanted && token;
  };
  auto& [before, behind] = post_processor;
  if (special("bos_token", "add_bos_token", bos) && (before.empty() || before.front() != *bos)) {
    before.insert(before.begin(), *bos);
  }
  if (special("eos_token", "add_eos_token", eos) && (behind.empty() || behind.back() != *eos)) {
    behind.push_back(*eos);
  }
}

Tokenizer Tokenizer::load(const fs::path& folder_or_file) {
  const bool folder = fs::is_directory(folder_or_file);
  const fs::path path = folder ? folder_or_file / "tokenizer.json" : folder_or_file;
  const MappedFile file(path);
  if (file.bytes().empty()) throw Error("{}: not valid JSON: the file is empty", path.string());
  simdjson::dom::parser parser;
  simdjson::dom::element value;
  const auto problem = parser.parse(file.text().data(), file.text().size()).get(value);
  if (problem != simdjson::SUCCESS) {
    throw Error("{}: not valid JSON: {}", path.string(), json_problem(problem));
  }
  const JsonNode root(value, path.string());
  const auto version = root.find("version");
  if (version && version->text() != "1.0")
    version->fail("\"{}\" is not supported, only \"1.0\"", version->text());
  auto parts = std::make_shared<Parts>(root, path.string());
  const fs::path config = path.parent_path() / "tokenizer_config.json";
  if (folder && fs::exists(config)) parts->read_config(config);
  return Tokenizer(std::move(parts));
}

namespace {

// One encode() on its way: scratch and what is found so far.
class Run {
 public:
  Run(const Normalizer& normalizer, const PreTokenizer& pre_tokenizer, const Bpe& model,
      const AddedTokens& added, Encoding& out)
      : normalizer_(normalizer), pre_tokenizer_(pre_tokenizer), model_(model), added_(added), out_(out) {}

  void text(std::string_view text) {
    const Piece whole{text};
    added_.before_normalising().for_each_part(text, [&](const AddedTokenMatcher::Part& part) {
      const Piece piece = whole.part(part.begin, part.end);
      part.token != nullptr ? token(*part.token, piece) : raw(piece);
    });
  }

 private:
  void token(const AddedToken& token, const Piece& piece) {
    out_.ids.push_back(token.id);
    out_.begin.push_back(piece.original(0));
    out_.end.push_back(piece.original(piece.text.size()));
  }

  void raw(const Piece& piece) {
    texts_.clear();
    const Piece normalised = normalizer_.apply(piece, texts_, regex_);
    added_.after_normalising().for_each_part(normalised.text, [&](const AddedTokenMatcher::Part& part) {
      const Piece inner = normalised.part(part.begin, part.end);
      if (part.token != nullptr) return token(*part.token, inner);
      pre_tokenizer_.split(inner, regex_, [this](const Piece& found) { word(found); });
    });
  }

  void word(const Piece& piece) {
    model_.encode(piece.text, bpe_);
    const auto& [ids, begins] = bpe_.symbols;
    if (ids.empty()) return;
    out_.ids.insert(out_.ids.end(), ids.begin(), ids.end());
    // What the word begins with belongs to its first token, even where that byte has no token.
    uint32_t begin = piece.original(0);
    for (size_t i = 0; i < ids.size(); ++i) {
      out_.begin.push_back(begin);
      begin = piece.original(i + 1 < ids.size() ? begins[i + 1] : piece.text.size());
      out_.end.push_back(begin);
    }
  }

  const Normalizer& normalizer_;
  const PreTokenizer& pre_tokenizer_;
  const Bpe& model_;
  const AddedTokens& added_;
  Encoding& out_;
  RegexScratch regex_;
  Bpe::Scratch bpe_;
  std::deque<std::pair<Piece, Rewritten>> texts_;
};

void add_specials(const std::vector<int32_t>& ids, size_t at, Encoding& encoding) {
  for (const int32_t id : ids) {
    encoding.ids.push_back(id);
    encoding.begin.push_back(static_cast<uint32_t>(at));
    encoding.end.push_back(static_cast<uint32_t>(at));
  }
}

}  // namespace

Encoding Tokenizer::encode(std::string_view text, SpecialTokens special) const {
  if (text.size() > kMaxText)
    throw Error("a text of {} bytes is too long to tokenize, the most is 1 GiB", text.size());
  if (const auto bad = find_invalid_utf8(text)) throw Error("invalid UTF-8 at byte {} of the text", *bad);
  Encoding encoding;
  const bool add = special == SpecialTokens::kAdd;
  if (add) add_specials(parts_->post_processor.before, 0, encoding);
  Run(parts_->normalizer, parts_->pre_tokenizer, parts_->model, parts_->added, encoding).text(text);
  if (add) add_specials(parts_->post_processor.behind, text.size(), encoding);
  return encoding;
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string text;
  for (const int32_t id : ids) text += parts_->text(id);
  if (!parts_->pre_tokenizer.byte_level()) parts_->decoder.strip(text);
  return text;
}

std::string Tokenizer::token_text(int32_t id) const { return parts_->text(id); }

std::optional<int32_t> Tokenizer::token_id(std::string_view content) const { return parts_->id(content); }

int32_t Tokenizer::vocab_size() const {
  return std::max(parts_->model.contents().size(), parts_->added.largest_id() + 1);
}

std::optional<int32_t> Tokenizer::bos() const { return parts_->bos; }
std::optional<int32_t> Tokenizer::eos() const { return parts_->eos; }

}  // namespace committee::tokenizer
