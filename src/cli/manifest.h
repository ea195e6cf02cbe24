#pragma once

#include "cli/capture.h"
#include "cli/prompts.h"
#include "model/weights.h"
#include "trace/manifest.h"

namespace committee::cli {

// What a trace says of how it was made: the model, the data, and every option that shapes its records (so
// that a resumed capture with another one is refused). Options that change speed only are left out.
trace::Manifest manifest_of(const CaptureFlags& flags, const model::Model& model, const Prompts& prompts,
                            bool bf16);

// A sample's line of samples.jsonl before it is scored.
trace::SampleInfo sample_info(const dataset::Sample& sample, const engine::Sequence& sequence);

}  // namespace committee::cli
