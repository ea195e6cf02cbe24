#include "trace/import_ids.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/error.h"
#include "trace/fingerprint.h"
#include "trace/import_sink.h"

namespace committee::trace {
namespace {

// Sizes of the pools of published models, for sources that do not say theirs.
constexpr std::array<int, 12> kPools = {8, 16, 32, 60, 64, 72, 128, 160, 256, 320, 384, 512};

// What a first pass over the samples tells.
struct Survey {
  int64_t layers = 0, top_k = 0, samples = 0;
  int32_t largest = 0;
  std::vector<bool> routed;  // by layer: some id is not 0
  std::string largest_where;
};

std::span<const int32_t> slots(const IdSample& sample, int64_t row, int64_t layer) {
  return std::span(sample.ids)
      .subspan(static_cast<size_t>((row * sample.layers + layer) * sample.top_k),
               static_cast<size_t>(sample.top_k));
}

Survey survey(const IdSource& source) {
  Survey result;
  source([&](IdSample& sample) {
    if (result.samples++ == 0) {
      result.layers = sample.layers;
      result.top_k = sample.top_k;
      result.routed.resize(static_cast<size_t>(sample.layers));
    }
    if (sample.layers != result.layers || sample.top_k != result.top_k) {
      throw Error("{}: has {} layers and {} experts a token, others have {} and {}", sample.where,
                  sample.layers, sample.top_k, result.layers, result.top_k);
    }
    for (size_t i = 0; i < sample.ids.size(); ++i) {
      const int32_t id = sample.ids[i];
      if (id < -1 || id > 65534) throw Error("{}: id {} cannot be an expert's", sample.where, id);
      if (id > 0) {
        const auto slot = static_cast<int64_t>(i);
        result.routed[static_cast<size_t>(slot / sample.top_k % sample.layers)] = true;
      }
      if (id > result.largest) {
        result.largest = id;
        result.largest_where = sample.where;
      }
    }
  });
  return result;
}

int find_experts(const Survey& found, const ImportOptions& options, std::vector<std::string>& warnings) {
  if (options.experts) {
    if (found.largest >= *options.experts) {
      throw Error(
          "{}: id {} is beyond the {} experts: ids of physical experts (redundant ones of expert-parallel "
          "serving) need the map to logical ones",
          found.largest_where, found.largest, *options.experts);
    }
    return *options.experts;
  }
  const auto pool =
      std::find_if(kPools.begin(), kPools.end(), [&](int size) { return size > found.largest; });
  const int experts = pool == kPools.end() ? found.largest + 1 : *pool;
  warnings.push_back(
      fmt::format("the source does not say how many experts there are; the largest id is {}, so {} "
                  "are assumed: give --experts",
                  found.largest, experts));
  return experts;
}

// Rows of a sample that were recorded in every routed layer. Throws for an id that a token has twice.
std::vector<int64_t> recorded_rows(const IdSample& sample, const std::vector<int64_t>& layers) {
  std::vector<int64_t> rows;
  for (int64_t row = 0; row < sample.rows; ++row) {
    const bool recorded = std::all_of(layers.begin(), layers.end(), [&](int64_t layer) {
      const auto ids = slots(sample, row, layer);
      if (std::find(ids.begin(), ids.end(), -1) != ids.end()) return false;
      if (ids.size() > 1 && std::count(ids.begin(), ids.end(), 0) == std::ssize(ids)) return false;
      for (size_t i = 1; i < ids.size(); ++i) {
        if (std::find(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(i), ids[i]) !=
            ids.begin() + static_cast<std::ptrdiff_t>(i)) {
          throw Error("{}: token {} executes expert {} twice in layer {}", sample.where, row, ids[i], layer);
        }
      }
      return true;
    });
    if (recorded) rows.push_back(row);
  }
  return rows;
}

ImportSink::SampleRows take_rows(const IdSample& sample, const std::vector<int64_t>& rows,
                                 const std::vector<int64_t>& layers) {
  ImportSink::SampleRows result{.position = {}, .token = {}};
  for (const int64_t row : rows) {
    result.position.push_back(static_cast<int32_t>(row));
    result.token.push_back(sample.tokens.empty() ? -1 : sample.tokens[static_cast<size_t>(row)]);
    for (const int64_t layer : layers) {
      for (const int32_t id : slots(sample, row, layer)) result.topk_id.push_back(static_cast<uint16_t>(id));
    }
  }
  return result;
}

std::vector<int64_t> routed_layers(const Survey& found, const std::filesystem::path& input,
                                   std::vector<std::string>& warnings) {
  if (found.samples == 0) throw Error("{}: holds no sequences", input.string());
  std::vector<int64_t> layers;
  for (int64_t layer = 0; layer < found.layers; ++layer) {
    // One slot that is always 0 is a possible routing, several at once are not.
    if (found.routed[static_cast<size_t>(layer)] || found.top_k == 1) layers.push_back(layer);
  }
  if (layers.empty() || found.largest == 0) {
    throw Error(
        "{}: every id is 0: the engine recorded nothing (fused kernels that choose experts themselves bypass "
        "the recorder)",
        input.string());
  }
  if (std::ssize(layers) < found.layers) {
    warnings.push_back(fmt::format("{} of {} layers have no ids but 0 and were left out (dense ones)",
                                   found.layers - std::ssize(layers), found.layers));
  }
  return layers;
}

Manifest describe(const char* kind, const std::filesystem::path& input, const std::vector<int64_t>& layers,
                  int experts, int64_t top_k) {
  Manifest manifest;
  manifest.model.name = name_of_input(input);
  for (const int64_t layer : layers) manifest.model.moe_layers.push_back(static_cast<int>(layer));
  manifest.model.experts = experts;
  manifest.model.top_k = static_cast<int>(top_k);
  auto& recording = manifest.recording;
  recording.dataset = manifest.model.name;
  recording.source = kind;
  recording.positions = "all";
  recording.record = Record::kTopK;
  recording.executed = Executed::kIds;
  recording.allowed_eci = {"frequency"};
  return manifest;
}

}  // namespace

ImportResult import_ids(const char* kind, const std::filesystem::path& input,
                        const std::filesystem::path& output, const ImportOptions& options,
                        const IdSource& source) {
  std::vector<std::string> warnings;
  const auto found = survey(source);
  const auto layers = routed_layers(found, input, warnings);
  const int experts = find_experts(found, options, warnings);
  if (options.top_k && *options.top_k != found.top_k) {
    throw Error("{}: has {} experts a token, not {}", input.string(), found.top_k, *options.top_k);
  }
  auto manifest = describe(kind, input, layers, experts, found.top_k);

  // A second pass says how many rows stay, so that sequences without any can be left out.
  std::vector<int32_t> rows_of;
  int64_t rows = 0, dropped_rows = 0, dropped_samples = 0;
  DataFingerprint fingerprint;
  source([&](IdSample& sample) {
    const auto kept = std::ssize(recorded_rows(sample, layers));
    rows += sample.rows;
    dropped_rows += sample.rows - kept;
    if (kept == 0) {
      ++dropped_samples;
      return;
    }
    rows_of.push_back(static_cast<int32_t>(kept));
    fingerprint.add({reinterpret_cast<const char*>(sample.ids.data()), sample.ids.size() * sizeof(int32_t)});
  });
  if (rows_of.empty()) throw Error("{}: no token was recorded in every layer", input.string());
  manifest.recording.data_fingerprint = fingerprint.text();

  ImportSink sink(output, manifest, std::move(rows_of), options.existing);
  source([&](IdSample& sample) {
    const auto kept = recorded_rows(sample, layers);
    if (kept.empty()) return;
    sink.add({.id = sample.id, .domain = sample.domain, .subject = sample.domain, .tokens = sample.rows},
             take_rows(sample, kept, layers));
  });
  if (dropped_rows > 0) {
    warnings.push_back(
        fmt::format("{} of {} tokens were not recorded in every layer (-1, or nothing but zeros) and "
                    "were left out, {} sequences with all of theirs",
                    dropped_rows, rows, dropped_samples));
  }
  return {sink.finish(), std::move(warnings)};
}

}  // namespace committee::trace
