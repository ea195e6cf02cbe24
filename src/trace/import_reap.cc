#include <algorithm>

#include "base/error.h"
#include "trace/array_file.h"
#include "trace/import_counts.h"
#include "trace/import_kinds.h"
#include "trace/import_sink.h"
#include "trace/layer_json.h"

namespace committee::trace {
namespace {

constexpr std::string_view kMetric = "expert_frequency";

// Arrays named by layer and metric: "3.expert_frequency", "layer_3/expert_frequency".
DomainCounts counts_of_arrays(const InputFile& input) {
  const auto file = ArrayFile::open(input.path);
  DomainCounts domain{.domain = input.domain, .file = file.name(), .layers = {}};
  bool same_tokens = true;
  for (const auto& array : file.arrays()) {
    if (!array.key.ends_with(kMetric)) continue;
    const auto prefix = array.key.substr(0, array.key.size() - kMetric.size());
    const auto layer = layer_in(prefix);
    // pairwise_expert_frequency and weighted_… end alike, with a letter before.
    if (!layer || prefix.ends_with("pairwise_") || prefix.ends_with("weighted_")) continue;
    if (array.shape.size() != 1) {
      throw Error("{}: shape {}, must be [experts]", array.name, model::format_shape(array.shape));
    }
    auto& counts = domain.layers[*layer];
    if (!counts.empty()) throw Error("{}: layer {} is there twice", domain.file, *layer);
    for (int64_t i = 0; i < array.size; ++i) counts.push_back(array.value(i * array.strides[0]));
    const auto* total = file.find(prefix + "total_tokens");
    same_tokens = same_tokens && total && total->size == 1 &&
                  (domain.layers.size() == 1 || domain.tokens == total->value(0));
    if (total && total->size == 1) domain.tokens = total->value(0);
  }
  if (domain.layers.empty()) throw Error("{}: no layer has \"{}\"", domain.file, kMetric);
  if (!same_tokens) domain.tokens.reset();
  return domain;
}

}  // namespace

ImportResult import_reap(const std::filesystem::path& input, const std::filesystem::path& output,
                         const ImportOptions& options) {
  constexpr std::string_view kEndings[] = {".json", ".npz", ".safetensors", ".pt"};
  std::vector<DomainCounts> domains;
  for (const auto& file : input_files(input, kEndings, Subfolders::kAreDomains)) {
    domains.push_back(file.path.extension() == ".json" ? counts_of_layer_json(file, kMetric.data())
                                                       : counts_of_arrays(file));
  }
  return import_counts("reap", input, output, options, std::move(domains),
                       {"expert_frequency is read and nothing else: pairwise_expert_frequency is the sum of "
                        "two frequencies, not how "
                        "often two experts run together"});
}

}  // namespace committee::trace
