#pragma once

#include <array>
#include <string>

#include "trace/writer.h"

// The trace that seeds hold and the target `resume` goes on with: three samples of one row in two shards.
namespace committee::fuzz {

inline constexpr int32_t kSmallSamples = 3;

inline trace::Manifest small_manifest() {
  trace::Manifest manifest;
  manifest.tool_version = "fuzz";
  manifest.model = {.name = "fuzz",
                    .model_type = "fuzz",
                    .fingerprint = "0",
                    .moe_layers = {0, 1},
                    .experts = 4,
                    .top_k = 2};
  manifest.recording.positions = "last";
  return manifest;
}

inline std::vector<int32_t> small_rows() { return std::vector<int32_t>(kSmallSamples, 1); }
inline trace::ShardLimits small_shards() { return {.samples = 2}; }

inline void record_small(trace::TraceWriter& writer, int32_t sample) {
  constexpr std::array<float, 8> kProbs = {0.4f, 0.3f, 0.2f, 0.1f, 0.1f, 0.2f, 0.3f, 0.4f};
  constexpr std::array<uint16_t, 4> kIds = {0, 1, 3, 2};
  constexpr std::array<float, 4> kWeights = {0.4f, 0.3f, 0.4f, 0.3f};
  writer.begin_chunk({.sample = {sample}, .position = {0}, .token = {1}, .content = {1}});
  writer.record_rows({.first_row = 0, .rows = 1, .probs = kProbs, .topk_id = kIds, .topk_weight = kWeights});
  writer.end_chunk();
  const trace::SampleInfo info{
      .id = std::to_string(sample), .domain = "d", .tokens = 3, .columns = {{"part", "x"}}};
  writer.add_samples(sample, std::span(&info, 1));
}

}  // namespace committee::fuzz
