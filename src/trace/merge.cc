#include "trace/merge.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "base/error.h"
#include "trace/fingerprint.h"
#include "trace/manifest_json.h"
#include "trace/reader.h"
#include "trace/whole_trace.h"

namespace committee::trace {
namespace {

constexpr int64_t kBlockRows = 256;

std::vector<Trace> open_all(std::span<const std::filesystem::path> inputs,
                            const std::filesystem::path& output) {
  std::vector<Trace> traces;
  for (const auto& input : inputs) {
    std::error_code absent;
    if (std::filesystem::equivalent(input, output, absent)) {
      throw Error("{}: cannot be merged into itself", output.string());
    }
    traces.push_back(Trace::open(input));
    Manifest other = traces.back().manifest();
    const auto& first = traces.front().manifest();
    other.recording.dataset = first.recording.dataset;
    other.recording.data_fingerprint = first.recording.data_fingerprint;
    if (const auto what = difference(first, other); !what.empty()) {
      throw Error("{} and {} cannot be merged: {}", inputs.front().string(), input.string(), what);
    }
  }
  return traces;
}

void check_ids(std::span<const Trace> traces) {
  std::unordered_map<std::string_view, size_t> owner;
  for (size_t index = 0; index < traces.size(); ++index) {
    for (const auto& sample : traces[index].samples()) {
      const auto [found, is_new] = owner.emplace(sample.id, index);
      if (!is_new) {
        throw Error("{} and {} both have the sample \"{}\"", traces[found->second].folder().string(),
                    traces[index].folder().string(), sample.id);
      }
    }
  }
}

// Where the parts' data have different names, the result has all of them.
void join_names(std::span<const Trace> traces, RecordingInfo& recording) {
  DataFingerprint fingerprint;
  bool known = true;
  std::vector<std::string> names;
  for (const auto& trace : traces) {
    const auto& part = trace.manifest().recording;
    known = known && fingerprint.append(part.data_fingerprint, std::ssize(trace.samples()));
    if (std::find(names.begin(), names.end(), part.dataset) == names.end()) names.push_back(part.dataset);
    auto& columns = recording.group_columns;
    for (const auto& column : part.group_columns) {
      if (std::find(columns.begin(), columns.end(), column) != columns.end()) continue;
      columns.push_back(column);
      std::sort(columns.begin(), columns.end());  // as a capture has them
    }
  }
  recording.data_fingerprint = known ? fingerprint.text() : "";
  recording.dataset = fmt::format("{}", fmt::join(names, " + "));
}

void copy_shard(const Trace& trace, int64_t shard, int64_t first_sample, TraceWriter& writer) {
  trace.verify(shard);
  const int64_t rows = trace.shard_rows(shard);
  Trace::Scratch scratch;
  model::RecordedRows recorded;
  for (int64_t row = 0; row < rows; row += kBlockRows) {
    const auto block = trace.read(shard, row, std::min(kBlockRows, rows - row), scratch);
    for (const int32_t sample : block.sample) {
      recorded.sample.push_back(static_cast<int32_t>(first_sample + sample));
    }
    recorded.position.insert(recorded.position.end(), block.position.begin(), block.position.end());
    recorded.token.insert(recorded.token.end(), block.token.begin(), block.token.end());
    recorded.content.insert(recorded.content.end(), block.content.begin(), block.content.end());
  }
  writer.begin_chunk(recorded);
  for (int64_t row = 0; row < rows; row += kBlockRows) {
    const auto block = trace.read(shard, row, std::min(kBlockRows, rows - row), scratch);
    writer.record_rows({.first_row = row,
                        .rows = block.rows,
                        .probs = block.probs,
                        .topk_id = block.topk_id,
                        .topk_weight = block.topk_weight});
  }
  writer.end_chunk();
  trace.drop(shard, 0, rows);
  const auto begin = static_cast<size_t>(trace.first_sample(shard));
  const auto count = static_cast<size_t>(trace.manifest().shards[static_cast<size_t>(shard)].samples);
  writer.add_samples(first_sample + trace.first_sample(shard),
                     std::span(trace.samples()).subspan(begin, count));
}

}  // namespace

Manifest merge_traces(std::span<const std::filesystem::path> inputs, const std::filesystem::path& output,
                      Existing existing, const ShardLimits& limits) {
  if (inputs.empty()) throw Error("no traces to merge");
  const auto traces = open_all(inputs, output);
  check_ids(traces);
  Manifest manifest = traces.front().manifest();
  join_names(traces, manifest.recording);
  manifest.recording.stability.clear();  // of the parts, not of the whole
  std::vector<int32_t> max_rows;
  for (const auto& trace : traces) {
    const int bound = manifest.recording.sample_rows_bound;
    for (const int32_t rows : trace.sample_rows()) max_rows.push_back(bound > 0 ? bound : rows);
  }
  WholeTrace result(output, manifest, std::move(max_rows), existing, limits);
  int64_t first_sample = 0;
  for (const auto& trace : traces) {
    for (int64_t shard = 0; shard < trace.shards(); ++shard) {
      copy_shard(trace, shard, first_sample, result.writer());
    }
    first_sample += std::ssize(trace.samples());
  }
  return result.finish();
}

}  // namespace committee::trace
