#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "trace/import_sink.h"
#include "trace/journal.h"
#include "trace/reader.h"
#include "trace/writer.h"

namespace committee::trace {

// A folder of its own for the running test, empty.
inline std::filesystem::path test_folder(const std::string& name = "out") {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  const auto folder =
      std::filesystem::path(testing::TempDir()) / "trace" / info->test_suite_name() / info->name();
  std::filesystem::remove_all(folder / name);
  std::filesystem::create_directories(folder);
  return folder / name;
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void write_text(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// The checksum of every file of a folder by name.
inline std::map<std::string, std::string> files_of(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files[entry.path().filename().string()] = checksum_of(read_text(entry.path()));
  }
  return files;
}

template <typename Function>
std::string error_of(Function&& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// A made-up run: samples of different lengths, all their routing.
struct FakeRun {
  Manifest manifest;
  std::vector<SampleInfo> samples;
  std::vector<std::vector<int32_t>> position, token;  // by sample
  std::vector<std::vector<float>> probs, weights;     // by sample, [rows, L, E] and [rows, L, k]
  std::vector<std::vector<uint16_t>> ids;

  int64_t layers() const { return std::ssize(manifest.model.moe_layers); }
  std::vector<int32_t> rows() const {
    std::vector<int32_t> rows;
    for (const auto& positions : position) rows.push_back(static_cast<int32_t>(positions.size()));
    return rows;
  }
};

inline FakeRun fake_run(int samples, uint64_t seed = 1) {
  FakeRun run;
  run.manifest.model.name = "fake";
  run.manifest.model.model_type = "olmoe";
  run.manifest.model.fingerprint = "0123456789abcdef";
  run.manifest.model.moe_layers = {1, 2, 5};
  run.manifest.model.experts = 6;
  run.manifest.model.top_k = 2;
  run.manifest.recording.dataset = "made up";
  run.manifest.recording.positions = "all";
  run.manifest.recording.options = {{"seed", "1"}, {"max-tokens", "64"}};
  run.manifest.tool_version = "test";
  Random random(seed);
  for (int sample = 0; sample < samples; ++sample) {
    const auto rows = static_cast<int32_t>(random.below(5));  // none too
    SampleInfo info{.id = "q" + std::to_string(sample),
                    .domain = sample % 3 == 0 ? "algebra" : "drama, \"old\""};
    info.tokens = rows + 3;
    info.columns = {{"language", sample % 2 ? "en" : "de"}};
    if (sample % 2 == 0) {
      info.answer = 1;
      info.answer_logprobs = {-0.1 * sample - 0.1, -1.0 / 3};
      info.argmax_token = sample;
      info.outcome = "wrong";
    }
    run.samples.push_back(info);
    auto& position = run.position.emplace_back();
    auto& token = run.token.emplace_back();
    auto& probs = run.probs.emplace_back();
    auto& weights = run.weights.emplace_back();
    auto& ids = run.ids.emplace_back();
    for (int32_t row = 0; row < rows; ++row) {
      position.push_back(row * 2);
      token.push_back(static_cast<int32_t>(random.below(1000)));
      for (int64_t layer = 0; layer < run.layers(); ++layer) {
        std::vector<float> scores(6);
        for (auto& score : scores) score = static_cast<float>(random.uniform());
        uint16_t top[2];
        float top_weights[2];
        take_top_k(scores, top, top_weights);
        probs.insert(probs.end(), scores.begin(), scores.end());
        ids.insert(ids.end(), top, top + 2);
        weights.insert(weights.end(), top_weights, top_weights + 2);
      }
    }
  }
  return run;
}

// Delivers samples [first, end) that are not done as the engine does: one chunk, layer by layer, in pieces.
inline void deliver_chunk(const FakeRun& run, TraceWriter& writer, int first, int end) {
  model::RecordedRows rows;
  std::vector<int> taken;
  for (int sample = first; sample < end; ++sample) {
    if (writer.is_done(sample)) continue;
    taken.push_back(sample);
    const auto index = static_cast<size_t>(sample);
    for (size_t row = 0; row < run.position[index].size(); ++row) {
      rows.sample.push_back(sample);
      rows.position.push_back(run.position[index][row]);
      rows.token.push_back(run.token[index][row]);
      rows.content.push_back(row % 2);
    }
  }
  writer.begin_chunk(rows);
  const auto experts = static_cast<size_t>(run.manifest.model.experts);
  const auto top_k = static_cast<size_t>(run.manifest.model.top_k);
  const auto layers = static_cast<size_t>(run.layers());
  for (size_t layer = 0; layer < layers; ++layer) {
    std::vector<float> probs, weights;
    std::vector<uint16_t> ids;
    const auto take = [&](auto& to, const auto& from, size_t row, size_t width) {
      const auto begin = from.begin() + static_cast<std::ptrdiff_t>((row * layers + layer) * width);
      to.insert(to.end(), begin, begin + static_cast<std::ptrdiff_t>(width));
    };
    for (const int sample : taken) {
      const auto index = static_cast<size_t>(sample);
      for (size_t row = 0; row < run.position[index].size(); ++row) {
        take(probs, run.probs[index], row, experts);
        take(ids, run.ids[index], row, top_k);
        take(weights, run.weights[index], row, top_k);
      }
    }
    const auto total = static_cast<size_t>(rows.size());
    for (size_t row = 0; row < total; row += 3) {
      const size_t count = std::min<size_t>(3, total - row);
      writer.record({.layer = static_cast<int>(layer),
                     .first_row = static_cast<int64_t>(row),
                     .rows = static_cast<int64_t>(count),
                     .probs = std::span(probs).subspan(row * experts, count * experts),
                     .topk_id = std::span(ids).subspan(row * top_k, count * top_k),
                     .topk_weight = std::span(weights).subspan(row * top_k, count * top_k)});
    }
  }
  writer.end_chunk();
  for (const int sample : taken)
    writer.add_samples(sample, std::span(&run.samples[static_cast<size_t>(sample)], 1));
}

inline void deliver(const FakeRun& run, TraceWriter& writer, int chunk_samples) {
  const int samples = static_cast<int>(run.samples.size());
  for (int first = 0; first < samples; first += chunk_samples) {
    deliver_chunk(run, writer, first, std::min(first + chunk_samples, samples));
  }
}

inline std::filesystem::path write_trace(const FakeRun& run, const std::filesystem::path& folder,
                                         int chunk_samples = 7, const ShardLimits& limits = {}) {
  const auto writer = TraceWriter::create(folder, run.manifest, run.rows(), Existing::kRefuse, limits);
  deliver(run, *writer, chunk_samples);
  writer->finish();
  return folder;
}

}  // namespace committee::trace
