#include "trace/import_sink.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/utf8.h"
#include "base/version.h"

namespace committee::trace {
namespace {

Manifest with_version(Manifest manifest) {
  manifest.tool_version = kVersion;
  return manifest;
}

}  // namespace

ImportSink::ImportSink(const std::filesystem::path& output, const Manifest& manifest,
                       std::vector<int32_t> max_rows, Existing existing)
    : trace_(output, with_version(manifest), std::move(max_rows), existing) {}

void ImportSink::add(const SampleInfo& info, const SampleRows& rows) {
  const size_t count = rows.position.size();
  if (count > 0) {
    model::RecordedRows recorded{.sample = std::vector<int32_t>(count, static_cast<int32_t>(samples_)),
                                 .position = rows.position,
                                 .token = rows.token,
                                 .content = std::vector<uint8_t>(count, 1)};
    trace_.writer().begin_chunk(recorded);
    trace_.writer().record_rows({.first_row = 0,
                                 .rows = static_cast<int64_t>(count),
                                 .probs = rows.probs,
                                 .topk_id = rows.topk_id,
                                 .topk_weight = rows.topk_weight});
    trace_.writer().end_chunk();
  }
  trace_.writer().add_samples(samples_++, std::span(&info, 1));
}

Manifest ImportSink::finish() { return trace_.finish(); }

void take_top_k(std::span<const float> scores, std::span<uint16_t> ids, std::span<float> weights) {
  std::vector<uint16_t> order(scores.size());
  std::iota(order.begin(), order.end(), uint16_t{0});
  std::partial_sort(order.begin(), order.begin() + std::ssize(ids), order.end(), [&](uint16_t a, uint16_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  });
  for (size_t i = 0; i < ids.size(); ++i) {
    ids[i] = order[i];
    weights[i] = scores[order[i]];
  }
}

std::string name_of_file(const std::filesystem::path& path) {
  auto name = path.stem().string();
  if (find_invalid_utf8(name)) throw Error("{}: the file's name is not valid UTF-8", path.string());
  return name;
}

std::string name_of_input(const std::filesystem::path& input) {
  const auto path = std::filesystem::absolute(input).lexically_normal();
  return name_of_file(path.has_filename() ? path : path.parent_path());
}

std::vector<std::filesystem::path> input_files(const std::filesystem::path& input, std::string_view ending) {
  if (std::filesystem::is_regular_file(input)) return {input};
  std::error_code problem;
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator at(input, problem), end; !problem && at != end;
       at.increment(problem)) {
    if (at->path().extension() == ending && at->is_regular_file()) files.push_back(at->path());
  }
  if (problem) throw Error("{}: cannot list the folder: {}", input.string(), problem.message());
  if (files.empty()) throw Error("{}: holds no {} files", input.string(), ending);
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace committee::trace
