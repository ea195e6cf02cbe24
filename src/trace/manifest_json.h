#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "trace/manifest.h"

namespace committee::trace {

// trace.json: {"format_version", "tool_version", "complete", "samples", "model": {…}, "data": {…},
// "recording": {…}, "shards": [{"file", "rows", "samples", "bytes", "checksum"}]}. The same manifest gives
// the same bytes; options are in order of their names.
std::string manifest_text(const Manifest& manifest);

// Checks types and ranges, names of kinds, and that shard names stay inside the folder. `file` begins the
// sentences of errors.
Manifest parse_manifest(const Json& json, const std::string& file);

// Throws Error where the model's numbers cannot be (ids not ascending, k > E, E beyond 16 bits, …).
void check_model(const ModelInfo& model, const std::string& file);

// A line of samples.jsonl without its line break. Group columns are keys of their own; those whose names the
// line needs itself are inside "columns".
std::string sample_line(const SampleInfo& sample);
SampleInfo parse_sample(std::string_view line, const std::string& where);

// The first difference that forbids to go on with, or to merge, records of `found` under `wanted`: model,
// data, recording, options, versions. Empty where there is none.
std::string difference(const Manifest& found, const Manifest& wanted);

}  // namespace committee::trace
