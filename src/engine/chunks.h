#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "engine/decoder.h"
#include "engine/engine.h"

namespace committee::engine {

// The memory to stay within, and what of it the rest of the process holds.
struct Budget {
  size_t limit = 0, others = 0;
};

// What a chunk of prompts takes in memory.
struct ChunkCost {
  size_t limit = 0;
  size_t fixed = 0;    // what others hold, weights of two layers, scratch that does not grow with the chunk
  size_t per_row = 0;  // a row in all lanes
  size_t per_hidden = 0;    // of it, the residual stream of a lane
  size_t per_record = 0;    // a recorded position
  size_t per_sequence = 0;  // beside its rows
  int64_t extra_rows = 0;   // of each sequence: tokens to be generated
  int64_t most_rows = std::numeric_limits<int64_t>::max();
  bool keeps_weights = false;  // all of them stay in memory; else two layers are counted in `fixed`
};

ChunkCost prefill_cost(const Decoder& decoder, std::span<const Variant> variants, const Budget& budget);
// With keys and values of all layers kept for the prompt and `new_tokens` more of every sequence.
ChunkCost generation_cost(const Decoder& decoder, const Variant& variant, int64_t new_tokens,
                          const Budget& budget);

// Bytes of a chunk that holds one sequence alone.
size_t bytes_alone(const ChunkCost& cost, const Sequence& sequence);

// The end of the chunk that begins at `begin`: as many sequences as fit, or up to a quarter fewer, where the
// next one shares least with them, as what it shares is computed again. Throws Error where one alone does not
// fit.
size_t chunk_end(const ChunkCost& cost, std::span<const Sequence> sequences, size_t begin,
                 bool share_prefixes);

// The ends of all chunks, which all stages of a pass agree on before it begins.
std::vector<size_t> chunk_ends(const ChunkCost& cost, std::span<const Sequence> sequences, const Stage& stage,
                               bool share_prefixes);

// Stages work at the same time on different chunks: these must be several, and what is on its way between two
// stages takes memory too.
void share_among_stages(ChunkCost& cost, int stages, int64_t tokens);

// Bytes that the process holds outside the engine's buffers and mapped files.
size_t held_by_others();

}  // namespace committee::engine
