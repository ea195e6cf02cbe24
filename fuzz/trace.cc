#include <array>

#include "base/json.h"
#include "sandbox.h"
#include "small_trace.h"
#include "targets.h"
#include "trace/folder.h"
#include "trace/journal.h"
#include "trace/merge.h"
#include "trace/reader.h"

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
  answer([&] {
    const auto writer = trace::TraceWriter::resume(folder, small_manifest(), small_rows(), small_shards());
    for (int32_t sample = 0; sample < kSmallSamples; ++sample) {
      if (!writer->is_done(sample)) record_small(*writer, sample);
    }
    writer->finish();
  });
  expect_only({"in"});
}

}  // namespace committee::fuzz
