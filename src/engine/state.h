#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "engine/chunks.h"
#include "engine/decoder.h"
#include "engine/engine.h"

namespace committee::engine {

struct Engine::State {
  State(const model::Model& model, const EngineOptions& options)
      : decoder(model, options.compute, options.threads),
        memory(options.memory ? options.memory : available_memory()),
        share_prefixes(options.share_prefixes) {}

  // Refuses what cannot be computed, and makes rotations for the longest sequence.
  void check(std::span<const Sequence> sequences, std::span<const Variant> variants, int64_t more_tokens);

  // What the process holds beside the engine is counted when a pass begins.
  Budget budget() {
    others = std::max(others, held_by_others());
    return {memory, others};
  }

  Decoder decoder;
  size_t memory, others = 0;
  bool share_prefixes;
};

}  // namespace committee::engine
