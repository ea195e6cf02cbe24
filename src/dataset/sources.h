#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace committee::dataset {

enum class Format { kAuto, kMmlu, kJsonl, kCsv };

// The format of that name: auto, mmlu, jsonl, csv. Throws Error with the list.
Format format_named(std::string_view name);

// One file to read.
struct Source {
  std::filesystem::path path;
  Format format = Format::kJsonl;  // never kAuto
  std::string subject;             // of a file in MMLU's layout
};

// The files of a data set, in the order they are read. `path` is
// - a file: JSONL, CSV, or one subject's file in MMLU's layout (NAME_SPLIT.csv);
// - a folder in MMLU's layout: PATH/SPLIT/NAME_SPLIT.csv, or the split folder itself (then SPLIT may be left
// out);
//   in the order of the subjects' names;
// - a folder of JSONL (*.jsonl, *.ndjson) and CSV files: in the order of their names.
// kAuto takes what it finds, MMLU's layout before others. No `split` is "test", or the one a split folder is
// named after. Throws Error where there is nothing to read.
std::vector<Source> find_sources(const std::filesystem::path& path, Format format,
                                 const std::optional<std::string>& split);

}  // namespace committee::dataset
