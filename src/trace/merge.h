#pragma once

#include <filesystem>
#include <span>

#include "trace/manifest.h"
#include "trace/writer.h"

namespace committee::trace {

// Joins traces of the same model and recording (options and tool version included; the data may differ) into
// a new one: the samples of the first, then those of the second, and so on, in shards cut anew, so that the
// records are equal byte for byte to those of one capture of all the samples in that order. Every shard's
// checksum is compared first. Throws Error for the first difference, and for an id that two of them have,
// naming the traces; then nothing is left at `output`.
Manifest merge_traces(std::span<const std::filesystem::path> inputs, const std::filesystem::path& output,
                      Existing existing, const ShardLimits& limits = {});

}  // namespace committee::trace
