#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/json_output.h"
#include "trace/manifest.h"

namespace committee::cli {

// What --json says of a trace that a command, "import" or "merge", wrote.
inline OrderedJson trace_summary(const std::string& command, const trace::Manifest& manifest,
                                 const std::filesystem::path& trace,
                                 const std::vector<std::string>& warnings) {
  OrderedJson document = json_head(command, manifest.model);
  document.update({{"trace", trace.string()},
                   {"samples", manifest.samples},
                   {"moe_layers", manifest.model.moe_layers},
                   {"experts", manifest.model.experts},
                   {"top_k", manifest.model.top_k},
                   {"eci", manifest.recording.allowed_eci},
                   {"warnings", warnings}});
  return document;
}

}  // namespace committee::cli
