#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "trace/import.h"

namespace committee::trace {

// The executed experts of one sequence, as serving engines return them.
struct IdSample {
  std::string id, domain;
  std::string where;  // for errors
  int64_t rows = 0, layers = 0, top_k = 0;
  std::vector<int32_t> ids;     // [rows, layers, top_k]; -1 where nothing was recorded
  std::vector<int32_t> tokens;  // [rows], or empty where the source has none
};

// Calls its argument for every sample; the same samples in the same order each time it is called.
using IdSource = std::function<void(const std::function<void(IdSample&)>&)>;

// Writes a trace of ids alone, for `frequency` only, positions "all" (row r of a sequence is position r).
// Layers whose ids are all 0 throughout are left out (the engines' buffers have a place for dense layers
// too), and so are tokens with -1 or a block of zeros in another layer (not recorded), all of them counted in
// a warning. An id twice for one token, ids beyond the experts, and sources of nothing but zeros are refused.
ImportResult import_ids(const char* kind, const std::filesystem::path& input,
                        const std::filesystem::path& output, const ImportOptions& options,
                        const IdSource& source);

}  // namespace committee::trace
