#pragma once

#include "base/json.h"
#include "trace/import_counts.h"
#include "trace/import_sink.h"

namespace committee::trace {

// {"LAYER": {"total_tokens": n, KEY: [a count an expert], …}, …}, as llama.cpp's expert profiler
// (expert_stats.json) and REAP's observers write it; the layers may also be inside "layers" or "state". Where
// layers saw different numbers of tokens, `tokens` of the result stays empty.
DomainCounts counts_of_layer_json(const InputFile& input, const char* key);

// Numbers of a JSON array; throws Error naming `where`.
std::vector<double> numbers_of(const Json& array, const std::string& where);

// A layer id as JSON keys have it ("3", "layer_3", "model.layers.3.mlp"): its only number.
std::optional<int> layer_in(std::string_view key);

}  // namespace committee::trace
