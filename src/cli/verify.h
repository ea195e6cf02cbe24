#pragma once

#include <filesystem>
#include <string>

#include "cli/capture.h"
#include "cli/prompts.h"
#include "engine/compute.h"
#include "engine/policy.h"
#include "model/weights.h"

namespace committee::cli {

// Refuses --verify where the capture itself computes in float32: it would compare that with itself.
void check_verify(const CaptureFlags& flags, engine::Compute compute);

// `--verify N`: N of the prompts once more in float32, the same ones for a seed, as many of each domain as
// there are, against what the complete trace holds of them: how many top-k sets are equal, and whether the
// committees of these prompts are. Writes TRACE/verify.json (docs/trace.md) and returns a sentence that says
// so.
std::string verify(const CaptureFlags& flags, const model::Model& model, const Prompts& prompts,
                   const engine::RoutingPolicy& policy, const std::filesystem::path& trace);

}  // namespace committee::cli
