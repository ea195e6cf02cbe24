#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "engine/chunks.h"
#include "engine/decoder.h"
#include "engine/engine.h"

namespace committee::engine {

// While one lives, the parts of every layer report `progress`.
class PartReports {
 public:
  PartReports(Machine& machine, const OnProgress& on_progress, const Progress& progress) : machine_(machine) {
    if (on_progress) machine.between_parts = [&on_progress, &progress] { on_progress(progress); };
  }
  ~PartReports() { machine_.between_parts = {}; }
  PartReports(const PartReports&) = delete;
  PartReports& operator=(const PartReports&) = delete;

 private:
  Machine& machine_;
};

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
