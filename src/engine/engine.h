#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "engine/compute.h"
#include "engine/policy.h"
#include "model/routing.h"
#include "model/weights.h"

namespace committee::engine {

// One prompt.
struct Sequence {
  int32_t sample = 0;             // its index in the run: samples ascend in a call
  std::vector<int32_t> tokens;    // at least one
  std::vector<uint8_t> content;   // [tokens] 1 where the token is not the template's own; empty: all are 1
  std::vector<int32_t> recorded;  // positions to record, ascending
  bool wants_logits = false;      // of the token that follows the last one
};

using OnLogits = std::function<void(size_t sequence, std::span<const float> logits)>;  // [vocab]

// One way of routing and where its results go. Several variants run as branches of one pass: layers before
// the first difference are computed once.
struct Variant {
  RoutingPolicy policy;
  model::RoutingSink* sink = nullptr;  // nullptr: nothing is recorded
  // Called from the caller's thread where wants_logits. A prompt's distributions come one after another, that
  // of the first variant first; those of equal prompts come together.
  OnLogits on_logits;
};

struct Progress {
  int64_t tokens = 0;  // of all prompts, those through all layers; a layer done counts for its share
  int64_t total_tokens = 0;
  int layer = 0, layers = 0;  // of the chunk being read; 0 layers: tokens are being generated
  int step = 0, steps = 0;    // new tokens of each prompt
};
// May be empty. Called from the caller's thread after each layer, and between its parts (a second's work or
// so) with the same figures; what it throws ends the pass and goes to the caller.
using OnProgress = std::function<void(const Progress&)>;

// What a pass took.
struct Work {
  int64_t tokens = 0;  // of the prompts, times the variants
  // Computed: a prefix that several prompts share counts once, and so do the layers that variants share (the
  // sum over layers, divided by the number of layers).
  int64_t rows = 0;
  int64_t prompt_rows = 0;  // with shared prefixes once, as one variant alone computes them
  int64_t chunks = 0;
  std::vector<std::pair<std::string, double>> seconds;  // by part of the pass
};

struct EngineOptions {
  Compute compute = Compute::kF32;
  int threads = 1;
  size_t memory = 0;           // bytes for everything, weights being read included; 0: what the machine has
  bool share_prefixes = true;  // false: every prompt's rows are computed, to be compared with
};

// An error that belongs to one sample of the run; its sentence leaves the sample out.
class SampleError : public Error {
 public:
  SampleError(int32_t sample_index, const std::string& sentence) : Error(sentence), sample(sample_index) {}
  int32_t sample;
};

// Part of a model's layers, for a pass that the engines of several processes share: the first one embeds,
// each sends the residual stream on, the last one gives logits. Prompts are cut into chunks that fit all of
// them.
struct Stage {
  int first = 0, end = 0;                         // layers [first, end)
  int stages = 1;                                 // how many engines; chunks are so small that all have work
  std::function<int64_t(int64_t)> least;          // of all stages' values
  std::function<void(std::span<float>)> receive;  // the next chunk's [rows, d] from the stage before
  std::function<void(std::span<const float>)> send_on;  // the same to the next one
};

// A prefill machine: all prompts of a chunk go through a layer before the next one is touched. Results do not
// depend on the number of threads.
class Engine {
 public:
  // The model outlives the engine. Throws Error where the processor cannot compute so, or where a small
  // tensor holds NaN or Inf.
  Engine(const model::Model& model, const EngineOptions& options);
  ~Engine();

  // Reads the prompts, chunk by chunk as memory allows, and hands every variant's sink the recorded rows of
  // each chunk. Throws SampleError for an empty prompt, a token id outside the vocabulary, a prompt longer
  // than the model's positions, or a router's output that is not finite; Error for an invalid policy and
  // for a memory limit too small for the longest prompt (saying how much is needed).
  Work prefill(std::span<const Sequence> sequences, std::span<const Variant> variants,
               const OnProgress& on_progress);

  // Whether the longest prompt fits into memory with so many variants in one pass, with a sixteenth to spare.
  bool fits(std::span<const Sequence> sequences, std::span<const Variant> variants) const;
  // The same for one stage of a pass of one variant, whose sink gets the records of the stage's own layers.
  Work prefill_stage(std::span<const Sequence> sequences, const Variant& variant, const Stage& stage,
                     const OnProgress& on_progress);

  // Continues every prompt greedily by up to `max_new_tokens`, all in step, stopping one at an end token. The
  // sink gets the generated tokens' rows only, each token as it is read itself, the last one and an end token
  // too; on_logits gets those that follow the prompt. Returns the new tokens by sequence.
  std::vector<std::vector<int32_t>> generate(std::span<const Sequence> sequences, int max_new_tokens,
                                             const Variant& variant, const OnProgress& on_progress);

 private:
  struct State;
  Work read(std::span<const Sequence> sequences, std::span<const Variant> variants, const Stage& stage,
            const OnProgress& on_progress);
  std::unique_ptr<State> state_;
};

}  // namespace committee::engine
