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
  begin_sample(rows.position, rows.token);
  add_block(rows, std::ssize(rows.position));
  end_sample(info);
}

void ImportSink::begin_sample(const std::vector<int32_t>& position, const std::vector<int32_t>& token) {
  const size_t count = position.size();
  trace_.writer().begin_chunk({.sample = std::vector<int32_t>(count, static_cast<int32_t>(samples_)),
                               .position = position,
                               .token = token,
                               .content = std::vector<uint8_t>(count, 1)});
  next_row_ = 0;
}

void ImportSink::add_block(const SampleRows& block, int64_t rows) {
  trace_.writer().record_rows({.first_row = next_row_,
                               .rows = rows,
                               .probs = block.probs,
                               .topk_id = block.topk_id,
                               .topk_weight = block.topk_weight});
  next_row_ += rows;
}

void ImportSink::end_sample(const SampleInfo& info) {
  trace_.writer().end_chunk();
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
  auto path = std::filesystem::absolute(input).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  // A folder's name has no ending to drop ("v1.5").
  return name_of_file(std::filesystem::is_directory(path) ? path.concat(".") : path);
}

namespace {

std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder) {
  std::error_code problem;
  std::vector<std::filesystem::path> entries;
  for (std::filesystem::directory_iterator at(folder, problem), end; !problem && at != end;
       at.increment(problem)) {
    entries.push_back(at->path());
  }
  if (problem) throw Error("{}: cannot list the folder: {}", folder.string(), problem.message());
  std::sort(entries.begin(), entries.end());
  return entries;
}

bool is_input(const std::filesystem::path& path, std::span<const std::string_view> endings) {
  return std::find(endings.begin(), endings.end(), path.extension().string()) != endings.end() &&
         std::filesystem::is_regular_file(path);
}

}  // namespace

std::vector<InputFile> input_files(const std::filesystem::path& input,
                                   std::span<const std::string_view> endings, Subfolders subfolders) {
  if (std::filesystem::is_regular_file(input)) return {{input, name_of_file(input)}};
  std::vector<InputFile> files;
  for (const auto& entry : entries_of(input)) {
    if (is_input(entry, endings)) {
      files.push_back({entry, name_of_file(entry)});
    } else if (subfolders == Subfolders::kAreDomains && std::filesystem::is_directory(entry)) {
      for (const auto& inner : entries_of(entry)) {
        if (is_input(inner, endings)) files.push_back({inner, name_of_input(entry)});
      }
    }
  }
  if (files.empty()) throw Error("{}: holds no {} files", input.string(), fmt::join(endings, " or "));
  return files;
}

}  // namespace committee::trace
