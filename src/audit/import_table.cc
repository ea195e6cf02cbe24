#include "audit/import_table.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "audit/reference.h"
#include "base/error.h"
#include "trace/import_sink.h"

namespace committee::audit {
namespace {

constexpr int64_t kMostExperts = 65535, kMostLayer = 1'000'000;

// Weights by expert id of each domain and layer.
using Weights = std::map<std::string, std::map<int, std::map<int, double>>>;

Weights weights_of(const ReferenceTable& table, const std::string& file) {
  Weights weights;
  for (const auto& row : table.rows) {
    const std::string where = fmt::format("{}: domain \"{}\", layer {}", file, row.domain, row.layer);
    if (row.layer < 0 || row.layer > kMostLayer) throw Error("{}: is no layer id", where);
    if (row.ids.size() != row.values.size()) {
      throw Error("{}: lists {} experts and {} weights", where, row.ids.size(), row.values.size());
    }
    auto [layer, is_new] = weights[row.domain].try_emplace(static_cast<int>(row.layer));
    if (!is_new) throw Error("{}: is listed twice", where);
    double sum = 0;
    for (size_t i = 0; i < row.ids.size(); ++i) {
      if (row.ids[i] < 0) continue;  // padding
      if (row.ids[i] >= kMostExperts)
        throw Error("{}: expert {} is beyond {}", where, row.ids[i], kMostExperts);
      if (!(row.values[i] >= 0) || !std::isfinite(row.values[i])) {
        throw Error("{}: expert {} has the weight {}", where, row.ids[i], row.values[i]);
      }
      if (!layer->second.emplace(static_cast<int>(row.ids[i]), row.values[i]).second) {
        throw Error("{}: expert {} is listed twice", where, row.ids[i]);
      }
      sum += row.values[i];
    }
    if (!(sum > 0)) throw Error("{}: no expert has a weight", where);
  }
  return weights;
}

std::vector<int> layers_of(const Weights& weights, const std::string& file) {
  std::set<int> layers;
  for (const auto& [domain, by_layer] : weights) {
    for (const auto& [layer, experts] : by_layer) layers.insert(layer);
  }
  for (const auto& [domain, by_layer] : weights) {
    for (const int layer : layers) {
      if (!by_layer.contains(layer)) {
        throw Error("{}: domain \"{}\" has no layer {}, others have", file, domain, layer);
      }
    }
  }
  return {layers.begin(), layers.end()};
}

int largest_id(const Weights& weights) {
  int largest = 0;
  for (const auto& [domain, by_layer] : weights) {
    for (const auto& [layer, experts] : by_layer) largest = std::max(largest, experts.rbegin()->first);
  }
  return largest;
}

// As their script guesses it where nothing tells.
int guessed_pool(int largest) {
  return largest < 64 ? 64 : largest < 128 ? 128 : largest < 256 ? 256 : largest + 1;
}

trace::Manifest describe(const std::filesystem::path& input, std::vector<int> layers, int experts,
                         int top_k) {
  trace::Manifest manifest;
  manifest.model.name = trace::name_of_file(input);
  manifest.model.moe_layers = std::move(layers);
  manifest.model.experts = experts;
  manifest.model.top_k = top_k;
  auto& recording = manifest.recording;
  recording.dataset = manifest.model.name;
  recording.source = "table";
  recording.positions = "sample";
  recording.executed = trace::Executed::kNone;
  recording.allowed_eci = {"routing"};
  return manifest;
}

}  // namespace

trace::ImportResult import_table(const std::filesystem::path& input, const std::filesystem::path& output,
                                 const trace::ImportOptions& options) {
  const std::string file = input.string();
  if (!options.top_k) throw Error("{}: does not say how many experts a token executes: give --k", file);
  const Weights weights = weights_of(read_reference_table(input, {}), file);
  const std::vector<int> layers = layers_of(weights, file);
  const int largest = largest_id(weights), experts = options.experts.value_or(guessed_pool(largest));
  if (largest >= experts) throw Error("{}: lists expert {}, --experts says {}", file, largest, experts);
  if (*options.top_k > experts)
    throw Error("{}: --k {} is more than {} experts", file, *options.top_k, experts);

  trace::ImportSink sink(output, describe(input, layers, experts, *options.top_k),
                         std::vector<int32_t>(weights.size(), 1), options.existing);
  for (const auto& [domain, by_layer] : weights) {
    trace::ImportSink::SampleRows row{.position = {0}, .token = {-1}};
    for (const auto& [layer, listed] : by_layer) {
      double sum = 0;
      for (const auto& [expert, weight] : listed) sum += weight;
      std::vector<float> shares(static_cast<size_t>(experts));
      for (const auto& [expert, weight] : listed) shares[expert] = static_cast<float>(weight / sum);
      row.probs.insert(row.probs.end(), shares.begin(), shares.end());
    }
    sink.add({.id = domain, .domain = domain, .subject = domain}, row);
  }
  std::vector<std::string> warnings = {
      "a table has one vector of weights a domain: statistics over samples (intervals, permutations, "
      "silhouettes) do not exist, and experts that it does not list count as 0"};
  if (!options.experts) {
    warnings.push_back(fmt::format(
        "the table does not say how many experts there are; {} are assumed: give --experts", experts));
  }
  return {sink.finish(), std::move(warnings)};
}

}  // namespace committee::audit
