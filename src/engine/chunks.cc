#include "engine/chunks.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "base/error.h"
#include "engine/packed_product.h"
#include "engine/pass.h"
#include "engine/prefix_tree.h"

namespace committee::engine {
namespace {

constexpr size_t kProcess = 40 << 20;  // code, prepared products, the trees of prefixes
constexpr size_t kThread = 8 << 20;    // oneDNN's scratch, converted strips, attention blocks
constexpr double kMegabyte = 1024.0 * 1024.0;

// Bytes of the largest layer as LayerStream reads it, and of all weights that are read here.
struct WeightBytes {
  size_t layer = 0, all = 0;
};

WeightBytes weight_bytes(const Decoder& decoder) {
  WeightBytes bytes;
  for (int l = decoder.first_layer; l < decoder.end_layer; ++l) {
    bytes.layer = std::max(bytes.layer, LayerStream::bytes_of(decoder.model, l));
    bytes.all += decoder.model.layer_bytes(l);
  }
  const model::ModelWeights& weights = decoder.model.weights();
  const bool embeds = decoder.first_layer == 0, gives_logits = decoder.end_layer == decoder.config().layers;
  if (embeds) bytes.all += weights.embedding.bytes;
  if (gives_logits && !(embeds && decoder.config().tied_embeddings)) bytes.all += weights.lm_head.bytes;
  return bytes;
}

size_t row_bytes(const Decoder& decoder, int slots) {
  const model::ModelConfig& config = decoder.config();
  const model::Attention& attention = config.attention;
  const size_t value = size_of(decoder.machine.compute);
  const size_t d = static_cast<size_t>(config.d_model);
  const size_t heads = static_cast<size_t>(attention.heads),
               kv_heads = static_cast<size_t>(attention.kv_heads);
  const size_t head = static_cast<size_t>(attention.qk_dim + attention.v_dim);
  const size_t routing =
      static_cast<size_t>(config.router.experts) * 4 + static_cast<size_t>(slots) * (2 + 4 + 8 + 8);
  const size_t bookkeeping = 64;
  return d * (4 + value) + (heads + kv_heads) * head * value + routing + bookkeeping;
}

// Scratch that grows with blocks of rows, not with the chunk.
size_t block_bytes(const Decoder& decoder) {
  const model::ModelConfig& config = decoder.config();
  const size_t threads = static_cast<size_t>(decoder.machine.pool.size());
  const size_t widest = static_cast<size_t>(std::max(config.dense_width, config.shared_width));
  const int64_t inputs = std::max({config.d_model, config.dense_width, config.shared_width,
                                   config.expert_width, config.attention.heads * config.attention.v_dim});
  const size_t thread = kThread + packed_bytes(kPackedRows, inputs, decoder.machine.compute);
  const size_t logits = std::max<size_t>(32 << 20, static_cast<size_t>(config.vocab) * 4);
  return kProcess + threads * thread + decoder.attention.block_bytes() + widest * 1024 * 4 + logits +
         expert_scratch(config.d_model, config.expert_width, decoder.machine.compute,
                        decoder.machine.pool.size()) +
         static_cast<size_t>(config.d_model) * 1024 * 4;
}

}  // namespace

ChunkCost prefill_cost(const Decoder& decoder, std::span<const Variant> variants, const Budget& budget) {
  const model::ModelConfig& config = decoder.config();
  int slots = config.router.top_k;
  for (const Variant& variant : variants) slots = std::max(slots, variant.policy.top_k.value_or(0));
  ChunkCost cost;
  cost.limit = budget.limit;
  const WeightBytes weights = weight_bytes(decoder);
  // A model that leaves a quarter of the memory free stays in it; of a larger one two layers are there at a
  // time.
  cost.keeps_weights = weights.all + block_bytes(decoder) + budget.others <= budget.limit / 4 * 3;
  cost.fixed = (cost.keeps_weights ? weights.all : 2 * weights.layer) + block_bytes(decoder) + budget.others;
  // Weights that lie in memory gain nothing from more rows; those that are read again for every chunk do.
  // Of many variants a chunk is small enough that a minute's work or so is all that an interruption costs.
  const int64_t lanes = most_lanes(variants, config);
  if (cost.keeps_weights) cost.most_rows = std::max<int64_t>(1 << 12, (1 << 17) / lanes);
  cost.per_row = row_bytes(decoder, slots) * static_cast<size_t>(lanes);
  cost.per_hidden = static_cast<size_t>(config.d_model) * sizeof(float);
  // Lists of what to record, and pages of the files that it goes to.
  cost.per_record = sizeof(int32_t) * 3 + 1 + 2 * sizeof(int64_t);
  for (const Variant& variant : variants) {
    const size_t top = static_cast<size_t>(variant.policy.top_k.value_or(config.router.top_k));
    if (variant.sink)
      cost.per_record +=
          config.moe_layers.size() * (static_cast<size_t>(config.router.experts) * 4 + top * 6);
  }
  return cost;
}

ChunkCost generation_cost(const Decoder& decoder, const Variant& variant, int64_t new_tokens,
                          const Budget& budget) {
  const model::ModelConfig& config = decoder.config();
  const model::Attention& attention = config.attention;
  ChunkCost cost = prefill_cost(decoder, std::span(&variant, 1), budget);
  const int kept = attention.latent ? attention.latent->kv_rank + attention.latent->rope_dim
                                    : attention.kv_heads * (attention.qk_dim + attention.v_dim);
  cost.per_row +=
      static_cast<size_t>(config.layers) * static_cast<size_t>(kept) * size_of(decoder.machine.compute);
  cost.per_sequence =
      static_cast<size_t>(new_tokens) * config.moe_layers.size() *
      (static_cast<size_t>(config.router.experts) * 4 + 6 * static_cast<size_t>(config.router.experts));
  cost.extra_rows = new_tokens;
  return cost;
}

size_t bytes_alone(const ChunkCost& cost, const Sequence& sequence) {
  const size_t rows = sequence.tokens.size() + static_cast<size_t>(cost.extra_rows);
  return cost.fixed + rows * cost.per_row + sequence.recorded.size() * cost.per_record + cost.per_sequence;
}

namespace {

// Where to end a chunk that cannot hold all: the later the better, but what the next sequence shares with the
// chunk is computed again.
class Cut {
 public:
  // Before `sequence`, which shares `shared` of its rows, after `rows`.
  void offer(size_t sequence, int64_t shared, int64_t rows) {
    const double lost = static_cast<double>(shared + kChunk) / static_cast<double>(rows);
    offers_.push_back({sequence, rows, lost});
  }
  // The best of those in the last quarter.
  size_t best() const {
    Offer chosen = offers_.back();
    for (const Offer& offer : offers_) {
      if (offer.rows >= offers_.back().rows / 4 * 3 && offer.lost < chosen.lost) chosen = offer;
    }
    return chosen.sequence;
  }

 private:
  static constexpr int64_t kChunk = 64;  // rows that a chunk costs beside its own
  struct Offer {
    size_t sequence = 0;
    int64_t rows = 0;
    double lost = 0;  // per row
  };
  std::vector<Offer> offers_;
};

}  // namespace

size_t chunk_end(const ChunkCost& cost, std::span<const Sequence> sequences, size_t begin,
                 bool share_prefixes) {
  PrefixTree tree;
  Cut cut;
  size_t used = cost.fixed;
  for (size_t s = begin; s < sequences.size(); ++s) {
    const Sequence& sequence = sequences[s];
    const int64_t missing = tree.missing(sequence.tokens);
    used += static_cast<size_t>(missing + cost.extra_rows) * cost.per_row +
            sequence.recorded.size() * cost.per_record + cost.per_sequence;
    if (s > begin) {
      cut.offer(s, static_cast<int64_t>(sequence.tokens.size()) - missing, tree.rows());
      if (used > cost.limit || tree.rows() >= cost.most_rows) return cut.best();
    }
    if (used > cost.limit) {
      throw Error("{:.0f} MB of memory are too little: a prompt of {} tokens needs {:.0f} MB",
                  cost.limit / kMegabyte, sequence.tokens.size(), used / kMegabyte);
    }
    share_prefixes ? tree.add(sequence.tokens) : void(tree.add_apart(sequence.tokens));
  }
  return sequences.size();
}

std::vector<size_t> chunk_ends(const ChunkCost& cost, std::span<const Sequence> sequences, const Stage& stage,
                               bool share_prefixes) {
  std::vector<size_t> ends;
  for (size_t begin = 0; begin < sequences.size(); begin = ends.back()) {
    const size_t end = chunk_end(cost, sequences, begin, share_prefixes);
    ends.push_back(stage.least ? static_cast<size_t>(stage.least(static_cast<int64_t>(end))) : end);
  }
  return ends;
}

void share_among_stages(ChunkCost& cost, int stages, int64_t tokens) {
  // The pipeline is full but for `stages` of its chunks; products of fewer rows than these lose more.
  constexpr int64_t kChunksPerStage = 8, kLeastRows = 2048;
  cost.per_row += 3 * cost.per_hidden;  // what arrives and what leaves
  if (cost.keeps_weights)
    cost.most_rows = std::min(cost.most_rows, std::max(kLeastRows, tokens / (kChunksPerStage * stages)));
}

size_t held_by_others() {
  size_t total = 0, resident = 0, shared = 0;
  if (!(std::ifstream("/proc/self/statm") >> total >> resident >> shared)) return 0;
  const size_t own = (resident - shared) * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return own - std::min(own, Bytes::held());
}

}  // namespace committee::engine
