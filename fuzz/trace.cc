#include <array>

#include "base/json.h"
#include "sandbox.h"
#include "targets.h"
#include "trace/folder.h"
#include "trace/journal.h"
#include "trace/merge.h"
#include "trace/reader.h"
#include "trace/writer.h"

namespace committee::fuzz {
namespace {

// Makes the manifest name the shards' real sizes and checksums: no mutation would find those.
void mend_checksums(const std::filesystem::path& folder) {
  Json manifest = read_json(folder / "trace.json");
  if (!manifest.is_object() || !manifest.contains("shards") || !manifest["shards"].is_array()) return;
  size_t shard = 0;
  for (Json& info : manifest["shards"]) {
    const auto path = folder / trace::shard_file(static_cast<int64_t>(shard++));
    if (!info.is_object() || !std::filesystem::exists(path)) continue;
    info["bytes"] = std::filesystem::file_size(path);
    info["checksum"] = trace::file_checksum(path);
  }
  put("in/trace.json", manifest.dump());
}

// The files of a trace folder, each behind the mark: trace.json, samples.jsonl, two shards, two journals. A
// part that is empty is no file.
std::filesystem::path put_trace(std::string_view input) {
  constexpr std::array<const char*, 6> kFiles = {
      "trace.json",         "samples.jsonl",     "records-00001.safetensors", "records-00002.safetensors",
      "records-00001.json", "records-00002.json"};
  const auto folder = sandbox() / "in";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const auto parts = cut(input, kFiles.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].empty()) put(std::string("in/") + kFiles[i], parts[i]);
  }
  answer([&] { mend_checksums(folder); });
  return folder;
}

}  // namespace

void trace(std::string_view input) {
  const auto folder = put_trace(input);
  answer([&] {
    const auto trace = trace::Trace::open(folder);
    trace::Trace::Scratch scratch;
    for (int64_t shard = 0; shard < trace.shards(); ++shard) {
      trace.read(shard, 0, trace.shard_rows(shard), scratch);
      trace.labels(shard);
      trace.drop(shard, 0, trace.shard_rows(shard));
    }
    for (int64_t shard = 0; shard < trace.shards(); ++shard) answer([&] { trace.verify(shard); });
    trace::merge_traces(std::array{folder}, sandbox() / "out", trace::Existing::kOverwrite);
  });
  expect_only({"in", "out"});
}

// A run goes on in a folder that somebody else prepared: whatever lies there, it keeps to its own files.
void resume(std::string_view input) {
  const auto folder = put_trace(input);
  trace::Manifest manifest;
  manifest.tool_version = "fuzz";
  manifest.model = {.name = "fuzz",
                    .model_type = "fuzz",
                    .fingerprint = "0",
                    .moe_layers = {0, 1},
                    .experts = 4,
                    .top_k = 2};
  manifest.recording.positions = "last";
  answer([&] {
    const auto writer = trace::TraceWriter::resume(folder, manifest, {1, 1, 1}, {.samples = 2});
    for (int64_t sample = 0; sample < 3; ++sample) {
      if (writer->is_done(sample)) continue;
      writer->begin_chunk(
          {.sample = {static_cast<int32_t>(sample)}, .position = {0}, .token = {1}, .content = {1}});
      const std::array<float, 8> probs = {0.4f, 0.3f, 0.2f, 0.1f, 0.1f, 0.2f, 0.3f, 0.4f};
      const std::array<uint16_t, 4> ids = {0, 1, 3, 2};
      const std::array<float, 4> weights = {0.4f, 0.3f, 0.4f, 0.3f};
      writer->record_rows(
          {.first_row = 0, .rows = 1, .probs = probs, .topk_id = ids, .topk_weight = weights});
      writer->end_chunk();
      const trace::SampleInfo info{.id = std::to_string(sample), .domain = "d"};
      writer->add_samples(sample, std::span(&info, 1));
    }
    writer->finish();
  });
  expect_only({"in"});
}

}  // namespace committee::fuzz
