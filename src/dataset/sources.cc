#include "dataset/sources.h"

#include <algorithm>
#include <array>
#include <system_error>

#include "base/error.h"
#include "base/mapped_file.h"
#include "dataset/read_csv.h"
#include "dataset/text.h"

namespace committee::dataset {
namespace {

namespace fs = std::filesystem;

// Files of a folder that are not hidden, by name.
std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code problem, ignored;
  for (fs::directory_iterator at(folder, problem), end; !problem && at != end; at.increment(problem)) {
    if (!at->path().filename().string().starts_with('.') && at->is_regular_file(ignored))
      files.push_back(at->path());
  }
  if (problem) throw Error("{}: cannot list the folder: {}", folder.string(), problem.message());
  std::sort(files.begin(), files.end());
  return files;
}

// FOLDER/NAME_SPLIT.csv for every NAME.
std::vector<Source> split_files(const fs::path& folder, const std::string& split) {
  const std::string ending = fmt::format("_{}.csv", split);
  std::vector<Source> sources;
  std::error_code problem;
  if (!fs::is_directory(folder, problem)) return sources;
  for (const auto& path : files_of(folder)) {
    const std::string name = path.filename().string();
    if (name.size() > ending.size() && name.ends_with(ending)) {
      sources.push_back({path, Format::kMmlu, name.substr(0, name.size() - ending.size())});
    }
  }
  const auto by_subject = [](const Source& a, const Source& b) { return a.subject < b.subject; };
  std::sort(sources.begin(), sources.end(), by_subject);
  return sources;
}

// `folder` may itself be the split's folder. Any CSV file could be called NAME_test.csv: there, a guess wants
// to see MMLU's columns too.
std::vector<Source> mmlu_sources(const fs::path& folder, const std::optional<std::string>& split,
                                 bool guessing) {
  const std::string wanted = split.value_or("test");
  auto sources = split_files(folder / wanted, wanted);
  if (!sources.empty()) return sources;
  sources = split_files(folder, wanted);
  if (sources.empty() && !split)
    sources =
        split_files(folder, fs::absolute(folder / ".").lexically_normal().parent_path().filename().string());
  if (!sources.empty() && guessing && !has_mmlu_layout(sources[0].path)) return {};
  return sources;
}

bool is_jsonl(const fs::path& path) { return path.extension() == ".jsonl" || path.extension() == ".ndjson"; }
bool is_csv(const fs::path& path) { return path.extension() == ".csv"; }

std::vector<Source> folder_sources(const fs::path& folder, Format format,
                                   const std::optional<std::string>& split) {
  std::vector<Source> sources;
  if (format == Format::kAuto || format == Format::kMmlu) {
    sources = mmlu_sources(folder, split, format == Format::kAuto);
    if (!sources.empty()) return sources;
  }
  const std::string wanted = fmt::format("{0}/SUBJECT_{0}.csv", split.value_or("test"));
  if (format == Format::kMmlu) {
    throw Error("{}: holds no MMLU data: {} is looked for", folder.string(), wanted);
  }
  for (const auto& path : files_of(folder)) {
    if (is_jsonl(path) && format != Format::kCsv) sources.push_back({path, Format::kJsonl, {}});
    if (is_csv(path) && format != Format::kJsonl) sources.push_back({path, Format::kCsv, {}});
  }
  if (sources.empty()) {
    throw Error("{}: holds no data: {}, *.jsonl and *.csv are looked for, as --format allows",
                folder.string(), wanted);
  }
  return sources;
}

Source file_source(const fs::path& path, Format format) {
  if (format == Format::kAuto) {
    if (is_csv(path)) {
      format = has_mmlu_layout(path) ? Format::kMmlu : Format::kCsv;
    } else if (const MappedFile file(path);
               is_jsonl(path) || strip(without_mark(file.text().substr(0, 4096))).starts_with('{')) {
      format = Format::kJsonl;
    } else {
      throw Error("{}: its format is not to be seen from name or content; --format names it", path.string());
    }
  }
  Source source{path, format, {}};
  if (format == Format::kMmlu) {
    const std::string stem = path.stem().string();
    source.subject = stem.substr(0, stem.rfind('_'));
    if (source.subject.empty()) throw Error("{}: the file's name holds no subject", path.string());
  }
  return source;
}

}  // namespace

Format format_named(std::string_view name) {
  if (name == "auto") return Format::kAuto;
  if (name == "mmlu") return Format::kMmlu;
  if (name == "jsonl") return Format::kJsonl;
  if (name == "csv") return Format::kCsv;
  throw Error("unknown data format \"{}\"; known are auto, mmlu, jsonl, csv", name);
}

std::vector<Source> find_sources(const fs::path& path, Format format,
                                 const std::optional<std::string>& split) {
  std::error_code problem;
  if (!fs::exists(path, problem)) throw Error("{}: no such file or folder", path.string());
  if (fs::is_directory(path, problem)) return folder_sources(path, format, split);
  return {file_source(path, format)};
}

}  // namespace committee::dataset
