#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trace/manifest.h"
#include "trace/writer.h"

namespace committee::trace {

// What the numbers of a source are: shares of slots summed over a sample, or the routing distribution of one
// position.
enum class Rows { kShare, kDistribution };

struct ImportOptions {
  Existing existing = Existing::kRefuse;
  std::optional<int> top_k = {};    // where the source does not say
  std::optional<int> experts = {};  // likewise
  std::optional<Rows> rows = {};    // npy only; kShare unless said
};

struct ImportResult {
  Manifest manifest;  // of the trace that was written; allowed_eci says what the source allows
  std::vector<std::string> warnings;  // sentences for the user
};

// One kind of source, as `import --from NAME` knows it.
struct ImportKind {
  const char* name;
  const char* summary;
  ImportResult (*run)(const std::filesystem::path& input, const std::filesystem::path& output,
                      const ImportOptions& options);
};

std::span<const ImportKind> import_kinds();

// Converts `input` into a trace folder at `output`. Throws Error naming file, item and rule (kinds that are
// not known, options that the kind does not take, every trap of FORMATS "Other people's formats"); then
// nothing is left at `output`.
ImportResult import_trace(std::string_view kind, const std::filesystem::path& input,
                          const std::filesystem::path& output, const ImportOptions& options);

}  // namespace committee::trace
