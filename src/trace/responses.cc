#include "trace/responses.h"

#include <array>
#include <cstring>

#include "base/error.h"
#include "base/mapped_file.h"

namespace committee::trace {
namespace {

using model::DType;

// The first of `object`, its "meta_info" and its "sglext" that has `key`.
const Json* find_key(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  for (const char* inner : {"", "meta_info", "sglext"}) {
    const Json* place = &object;
    if (*inner) {
      const auto found = object.find(inner);
      if (found == object.end() || !found->is_object()) continue;
      place = &*found;
    }
    const auto found = place->find(key);
    if (found != place->end() && !found->is_null()) return &*found;
  }
  return nullptr;
}

std::optional<int64_t> find_count(const Json& line, const Json& choice, const char* key) {
  const auto usage = line.find("usage");
  for (const Json* place : {&choice, &line, usage == line.end() ? nullptr : &*usage}) {
    const Json* found = place ? find_key(*place, key) : nullptr;
    if (found && found->is_number_integer()) return found->get<int64_t>();
  }
  return std::nullopt;
}

IdSample sample_of_flat(std::string_view bytes, const Json& line, const Json& choice,
                        std::optional<int> top_k, const std::string& where) {
  if (!top_k || *top_k < 1)
    throw Error("{}: flat routed experts need --k, the experts executed per token", where);
  const auto prompt = find_count(line, choice, "prompt_tokens");
  const auto completion = find_count(line, choice, "completion_tokens");
  if (!prompt || !completion || *prompt < 0 || *completion < 0 || *prompt > 1 << 30 ||
      *completion > 1 << 30) {
    throw Error("{}: flat routed experts need \"prompt_tokens\" and \"completion_tokens\"", where);
  }
  const auto values = static_cast<int64_t>(bytes.size() / sizeof(int32_t));
  IdSample sample;
  sample.top_k = *top_k;
  // The last token is sampled and, as a rule, not read any more.
  for (const int64_t rows : {*prompt + *completion - 1, *prompt + *completion}) {
    if (rows > 0 && values % (rows * sample.top_k) == 0) {
      sample.rows = rows;
      break;
    }
  }
  if (sample.rows == 0 || values == 0 || bytes.size() % sizeof(int32_t) != 0) {
    throw Error("{}: {} bytes of routed experts are not a whole number of layers for {} tokens and k = {}",
                where, bytes.size(), *prompt + *completion - 1, sample.top_k);
  }
  sample.layers = values / (sample.rows * sample.top_k);
  sample.ids.resize(static_cast<size_t>(values));
  std::memcpy(sample.ids.data(), bytes.data(), bytes.size());
  return sample;
}

IdSample sample_of_list(const Json& list, const std::string& where) {
  const auto refuse = [&] {
    throw Error("{}: \"routed_experts\" must be [tokens][layers][k] of integers", where);
  };
  IdSample sample;
  sample.rows = static_cast<int64_t>(list.size());
  if (list.empty() || !list[0].is_array() || list[0].empty() || !list[0][0].is_array()) refuse();
  sample.layers = static_cast<int64_t>(list[0].size());
  sample.top_k = static_cast<int64_t>(list[0][0].size());
  for (const auto& row : list) {
    if (!row.is_array() || static_cast<int64_t>(row.size()) != sample.layers) refuse();
    for (const auto& slots : row) {
      if (!slots.is_array() || static_cast<int64_t>(slots.size()) != sample.top_k) refuse();
      for (const auto& id : slots) {
        if (!id.is_number_integer()) refuse();
        const auto value = id.get<int64_t>();
        sample.ids.push_back(value < -1 || value > 65534 ? -2 : static_cast<int32_t>(value));
      }
    }
  }
  if (sample.top_k == 0) refuse();
  return sample;
}

IdSample decode(const Json& payload, const Json& line, const Json& choice, std::optional<int> top_k,
                const std::string& where) {
  if (payload.is_array()) return sample_of_list(payload, where);
  if (!payload.is_string()) throw Error("{}: \"routed_experts\" must be text or a list", where);
  const auto bytes = decode_base64(payload.get_ref<const std::string&>());
  if (!bytes) throw Error("{}: \"routed_experts\" is not base64", where);
  if (bytes->starts_with("\x93NUMPY")) return sample_of(parse_npy(std::as_bytes(std::span(*bytes)), where));
  return sample_of_flat(*bytes, line, choice, top_k, where);
}

// The tokens of a sequence, where prompt and completion cover its rows.
std::vector<int32_t> find_tokens(const Json& line, const Json& choice, int64_t rows) {
  std::vector<int32_t> tokens;
  const Json* prompt = find_key(choice, "prompt_token_ids");
  if (!prompt) prompt = find_key(line, "prompt_token_ids");
  const Json* completion = find_key(choice, "token_ids");
  for (const Json* part : {prompt, completion}) {
    if (!part || !part->is_array()) continue;
    for (const auto& token : *part) {
      if (!token.is_number_integer()) return {};
      const auto value = token.get<int64_t>();
      if (value < 0 || value > 0x7FFFFFFF) return {};
      tokens.push_back(static_cast<int32_t>(value));
    }
  }
  if (!prompt || static_cast<int64_t>(tokens.size()) < rows) return {};
  tokens.resize(static_cast<size_t>(rows));
  return tokens;
}

std::string text_of(const Json& line, std::initializer_list<const char*> keys, const std::string& otherwise) {
  for (const char* key : keys) {
    const Json* found = find_key(line, key);
    if (found && found->is_string()) return found->get<std::string>();
    if (found && found->is_number_integer()) return found->dump();
  }
  return otherwise;
}

void use_response(const Json& line, const std::string& where, const std::string& id,
                  const std::string& domain, std::optional<int> top_k,
                  const std::function<void(IdSample&)>& use) {
  if (!line.is_object()) throw Error("{}: must be a JSON object", where);
  std::vector<const Json*> choices;
  const auto found = line.find("choices");
  if (found != line.end() && found->is_array()) {
    for (const auto& choice : *found) choices.push_back(&choice);
  } else {
    choices.push_back(&line);
  }
  const auto base = text_of(line, {"id"}, id);
  for (size_t i = 0; i < choices.size(); ++i) {
    const Json* payload = find_key(*choices[i], "routed_experts");
    if (!payload && choices.size() == 1) payload = find_key(line, "routed_experts");
    if (!payload) throw Error("{}: has no \"routed_experts\"", where);
    auto sample = decode(*payload, line, *choices[i], top_k, where);
    sample.id = choices.size() == 1 ? base : fmt::format("{}/{}", base, i);
    sample.domain = text_of(line, {"domain", "subject"}, domain);
    sample.where = where;
    sample.tokens = find_tokens(line, *choices[i], sample.rows);
    use(sample);
  }
}

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static const auto kValues = [&] {
    std::array<int8_t, 256> values;
    values.fill(-1);
    for (size_t i = 0; i < kAlphabet.size(); ++i)
      values[static_cast<uint8_t>(kAlphabet[i])] = static_cast<int8_t>(i);
    return values;
  }();
  if (text.size() % 4 != 0) return std::nullopt;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  uint32_t group = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const int value = i >= text.size() - padding ? 0 : kValues[static_cast<uint8_t>(text[i])];
    if (value < 0) return std::nullopt;
    group = group << 6 | static_cast<uint32_t>(value);
    if (i % 4 == 3) {
      for (const int shift : {16, 8, 0}) bytes.push_back(static_cast<char>(group >> shift & 0xFF));
    }
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

IdSample sample_of(const NpyArray& array) {
  const bool integer = array.dtype == DType::kU8 || array.dtype == DType::kU16 ||
                       array.dtype == DType::kI16 || array.dtype == DType::kI32 ||
                       array.dtype == DType::kI64 || array.dtype == DType::kI8;
  if (!integer) throw Error("{}: holds {}, must be integers", array.name, model::name_of(array.dtype));
  if (array.shape.size() != 3 || array.size == 0) {
    throw Error("{}: shape {}, must be [tokens, layers, k]", array.name, model::format_shape(array.shape));
  }
  IdSample sample{.id = {}, .domain = {}, .where = array.name, .ids = {}, .tokens = {}};
  sample.rows = array.shape[0];
  sample.layers = array.shape[1];
  sample.top_k = array.shape[2];
  sample.ids.reserve(static_cast<size_t>(array.size));
  for (int64_t row = 0; row < sample.rows; ++row) {
    for (int64_t layer = 0; layer < sample.layers; ++layer) {
      for (int64_t slot = 0; slot < sample.top_k; ++slot) {
        const double value =
            array.value(row * array.strides[0] + layer * array.strides[1] + slot * array.strides[2]);
        sample.ids.push_back(value < -1 || value > 65534 ? -2 : static_cast<int32_t>(value));
      }
    }
  }
  return sample;
}

void for_each_response(const std::filesystem::path& path, const std::string& domain, std::optional<int> top_k,
                       const std::function<void(IdSample&)>& use) {
  const MappedFile file(path);
  std::string_view text = file.text();
  if (path.extension() == ".json") {
    const Json document = parse_json(text, path.string());
    const bool list = document.is_array();
    for (size_t i = 0; i < (list ? document.size() : 1); ++i) {
      use_response(list ? document[i] : document, path.string(), fmt::format("{}/{}", domain, i), domain,
                   top_k, use);
    }
    return;
  }
  for (int64_t line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const auto content = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (content.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto where = fmt::format("{}:{}", path.string(), line);
    use_response(parse_json(content, where), where, fmt::format("{}/{}", domain, line - 1), domain, top_k,
                 use);
  }
}

}  // namespace committee::trace
