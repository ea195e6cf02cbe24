#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "trace/import.h"

namespace committee::trace {

// So many cells (layers · experts) at most are made from a source that names their number only.
inline constexpr size_t kMostCells = size_t{1} << 24;

// How often each expert of each layer was executed for one domain: all that many recorders keep.
struct DomainCounts {
  std::string domain;
  std::string file;                           // for errors
  std::map<int, std::vector<double>> layers;  // by layer id; counts, or shares of all slots
  std::optional<double> tokens = {};          // that the counts are of, where the source says so
};

// Writes a trace of one sample a domain (parts of the same name are added up): its shares of slots
// (manifest.h, Executed::kNone), for `frequency` only. Checks that counts are finite and not negative, that
// all domains have the same layers and experts, and that counts are not those of whole rankings: a flat copy
// of a strided top-k tensor counts every expert of a token once in each pass over all of them, which makes
// all counts nearly equal, far more so than any routing could. Layers without any count (dense ones) are left
// out.
ImportResult import_counts(const char* kind, const std::filesystem::path& input,
                           const std::filesystem::path& output, const ImportOptions& options,
                           std::vector<DomainCounts> parts, std::vector<std::string> warnings = {});

}  // namespace committee::trace
