#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cli/capture.h"
#include "cli/prompts.h"
#include "engine/engine.h"
#include "model/weights.h"
#include "tokenizer/tokenizer.h"

namespace committee::cli {

// What every command that runs a model begins with: the model, its tokenizer and all prompts, opened and
// checked before any weight is read. Throws Error, naming file, item and rule. Warnings go to stderr.
struct Setup {
  // `processes` of this machine share its processors and memory.
  explicit Setup(const CaptureFlags& capture_flags, int processes = 1);

  engine::EngineOptions engine_options() const;

  CaptureFlags flags;
  model::Model model;
  engine::RoutingPolicy policy;  // of --top-k, --mask and --always
  std::optional<tokenizer::Tokenizer> tokenizer;
  engine::Compute compute;
  Prompts prompts;
  int processes;
};

// "FILE:LINE (sample "ID"): why".
std::string with_sample_name(const engine::SampleError& problem, const Prompts& prompts);

}  // namespace committee::cli
