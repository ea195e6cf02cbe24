#include "engine/engine.h"

#include <algorithm>

#include "engine/batch.h"
#include "engine/pass.h"
#include "engine/state.h"

namespace committee::engine {
namespace {

void check(const Sequence& sequence, const model::ModelConfig& config, int64_t more_tokens) {
  const int64_t count = static_cast<int64_t>(sequence.tokens.size());
  if (count == 0) throw SampleError(sequence.sample, "the prompt is empty");
  if (count + more_tokens > config.max_positions)
    throw SampleError(sequence.sample, fmt::format("{} tokens are more than the model's {} positions",
                                                   count + more_tokens, config.max_positions));
  for (int64_t i = 0; i < count; ++i) {
    const int32_t token = sequence.tokens[static_cast<size_t>(i)];
    if (token < 0 || token >= config.vocab)
      throw SampleError(sequence.sample,
                        fmt::format("token id {} at position {} is not in the model's vocabulary of {}",
                                    token, i, config.vocab));
  }
  if (!sequence.content.empty() && sequence.content.size() != sequence.tokens.size())
    throw SampleError(sequence.sample,
                      fmt::format("{} content marks for {} tokens", sequence.content.size(), count));
  int32_t last = -1;
  for (const int32_t position : sequence.recorded) {
    if (position <= last || position >= count)
      throw SampleError(sequence.sample, "the positions to record must ascend within the prompt");
    last = position;
  }
}

}  // namespace

void Engine::State::check(std::span<const Sequence> sequences, std::span<const Variant> variants,
                          int64_t more_tokens) {
  for (const Variant& variant : variants) validate(variant.policy, decoder.config());
  int64_t longest = 0;
  for (const Sequence& sequence : sequences) {
    engine::check(sequence, decoder.config(), more_tokens);
    longest = std::max(longest, static_cast<int64_t>(sequence.tokens.size()) + more_tokens);
  }
  decoder.set_positions(longest);
}

Engine::Engine(const model::Model& model, const EngineOptions& options) {
  if (options.threads < 1) throw Error("{} threads cannot compute", options.threads);
  if (!can_compute(options.compute))
    throw Error("this processor cannot multiply bf16 (it lacks AVX512): use float32");
  check_small_tensors(model);
  state_ = std::make_unique<State>(model, options);
}

Engine::~Engine() = default;

Work Engine::prefill(std::span<const Sequence> sequences, std::span<const Variant> variants,
                     const OnProgress& on_progress) {
  return read(sequences, variants, whole(state_->decoder.config()), on_progress);
}

Work Engine::prefill_stage(std::span<const Sequence> sequences, const Variant& variant, const Stage& stage,
                           const OnProgress& on_progress) {
  return read(sequences, std::span(&variant, 1), stage, on_progress);
}

Work Engine::read(std::span<const Sequence> sequences, std::span<const Variant> variants, const Stage& stage,
                  const OnProgress& on_progress) {
  state_->check(sequences, variants, 0);
  Work work;
  Progress progress;
  for (const Sequence& sequence : sequences)
    progress.total_tokens += static_cast<int64_t>(sequence.tokens.size());
  if (variants.empty()) return work;
  work.tokens = progress.total_tokens * static_cast<int64_t>(variants.size());
  state_->decoder.first_layer = stage.first;
  state_->decoder.end_layer = stage.end;
  ChunkCost cost = prefill_cost(state_->decoder, variants, state_->budget());
  if (stage.stages > 1) share_among_stages(cost, stage.stages, progress.total_tokens);
  state_->decoder.layers.set(stage.end, cost.keeps_weights);
  const auto before = state_->decoder.machine.stopwatch.seconds();
  int64_t done = 0, layer_rows = 0;
  int layers = 1;
  const PartReports parts(state_->decoder.machine, on_progress, progress);
  size_t begin = 0;
  for (const size_t end : chunk_ends(cost, sequences, stage, state_->share_prefixes)) {
    const Batch batch(sequences.subspan(begin, end - begin), begin, state_->share_prefixes);
    Pass pass(state_->decoder, batch, variants, {}, stage);
    layers = progress.layers = std::max(1, pass.layers());
    progress.layer = 1;
    pass.run([&] {
      progress.tokens = done + batch.tokens_read() * progress.layer / layers;
      progress.layer = std::min(progress.layer + 1, layers);
      if (on_progress) on_progress(progress);
    });
    layer_rows += pass.rows_computed();
    work.prompt_rows += batch.rows();
    done += batch.tokens_read();
    ++work.chunks;
    begin = end;
  }
  work.rows = layer_rows / layers;
  for (size_t op = 0; op < before.size(); ++op)
    work.seconds.emplace_back(kOpNames[op], state_->decoder.machine.stopwatch.seconds()[op] - before[op]);
  return work;
}

bool Engine::fits(std::span<const Sequence> sequences, std::span<const Variant> variants) const {
  const ChunkCost cost = prefill_cost(state_->decoder, variants, state_->budget());
  // What the process holds beside the engine grows until the pass begins.
  const size_t limit = cost.limit - cost.limit / 16;
  return std::all_of(sequences.begin(), sequences.end(),
                     [&](const Sequence& sequence) { return bytes_alone(cost, sequence) <= limit; });
}

}  // namespace committee::engine
