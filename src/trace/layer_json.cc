#include "trace/layer_json.h"

#include <charconv>

#include "base/error.h"

namespace committee::trace {

std::vector<double> numbers_of(const Json& array, const std::string& where) {
  if (!array.is_array()) throw Error("{} must be an array, found {}", where, array.type_name());
  std::vector<double> numbers;
  for (const auto& item : array) {
    if (!item.is_number()) throw Error("{} must hold numbers, found {}", where, item.type_name());
    numbers.push_back(item.get<double>());
  }
  return numbers;
}

std::optional<int> layer_in(std::string_view key) {
  constexpr std::string_view kDigits = "0123456789";
  const size_t begin = key.find_first_of(kDigits);
  if (begin == std::string_view::npos) return std::nullopt;
  int layer = 0;
  const auto [end, problem] = std::from_chars(key.data() + begin, key.data() + key.size(), layer);
  const auto rest = key.substr(static_cast<size_t>(end - key.data()));
  if (problem != std::errc() || layer > 1'000'000 || rest.find_first_of(kDigits) != std::string_view::npos) {
    return std::nullopt;
  }
  return layer;
}

DomainCounts counts_of_layer_json(const InputFile& input, const char* key) {
  DomainCounts domain{.domain = input.domain, .file = input.path.string(), .layers = {}};
  const Json json = read_json(input.path);
  const Json* layers = &json;
  for (const char* place : {"layers", "state"}) {
    if (json.is_object() && json.contains(place) && json[place].is_object()) layers = &json[place];
  }
  if (!layers->is_object()) throw Error("{}: must hold an object of layers", domain.file);
  bool same_tokens = true;
  for (const auto& [name, metrics] : layers->items()) {
    const auto layer = layer_in(name);
    if (!layer || !metrics.is_object() || !metrics.contains(key)) continue;
    const auto where = fmt::format("{}: \"{}\" of layer {}", domain.file, key, *layer);
    if (!domain.layers.emplace(*layer, numbers_of(metrics[key], where)).second) {
      throw Error("{}: layer {} is there twice", domain.file, *layer);
    }
    const auto tokens = optional_field<double>(metrics, "total_tokens", domain.file);
    same_tokens = same_tokens && tokens && (domain.layers.size() == 1 || domain.tokens == tokens);
    domain.tokens = tokens;
  }
  if (domain.layers.empty()) throw Error("{}: no layer has \"{}\"", domain.file, key);
  if (!same_tokens) domain.tokens.reset();
  return domain;
}

}  // namespace committee::trace
