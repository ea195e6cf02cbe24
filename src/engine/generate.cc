// Greedy continuation of all prompts of a chunk in step: one row a prompt and step, over keys and values that
// the prefill kept.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "engine/ops.h"
#include "engine/pass.h"
#include "engine/state.h"

namespace committee::engine {
namespace {

// Keys and values of all layers for the rows of a batch, then `more` rows of every sequence; latent ones
// where the model has them.
class Cache {
 public:
  Cache(const model::ModelConfig& config, Compute type, int64_t rows)
      : layers_(static_cast<size_t>(config.layers)) {
    const model::Attention& attention = config.attention;
    const auto zeros = [&](int64_t count, int64_t dim) {
      const size_t bytes = static_cast<size_t>((count + kKeySlack) * dim) * size_of(type);
      memory_.emplace_back();
      return Matrix{std::memset(memory_.back().reserve(bytes), 0, bytes), type, dim};
    };
    for (KeyValues& layer : layers_) {
      if (attention.latent) {
        layer.latent = zeros(rows, attention.latent->kv_rank + attention.latent->rope_dim);
      } else {
        layer.k = {zeros(attention.kv_heads * rows, attention.qk_dim), rows * attention.qk_dim};
        layer.v = {zeros(attention.kv_heads * rows, attention.v_dim), rows * attention.v_dim};
      }
    }
  }

  std::span<const KeyValues> layers() const { return layers_; }

 private:
  std::vector<KeyValues> layers_;
  std::vector<Bytes> memory_;
};

// The routing of one generated token in all MoE layers, kept until it is known how many tokens there are.
struct Record {
  std::vector<float> probs, weights;
  std::vector<uint16_t> ids;
};

// One chunk's prompts as they grow.
class Generation {
 public:
  Generation(Decoder& decoder, const Batch& batch, int most, const Variant& variant)
      : decoder_(decoder),
        config_(decoder.config()),
        batch_(batch),
        variant_(variant),
        most_(most),
        cache_(config_, decoder.machine.compute,
               batch.rows() + most_ * static_cast<int64_t>(batch.sequences().size())),
        made_(batch.sequences().size()),
        records_(batch.sequences().size()) {
    for (size_t s = 0; s < made_.size(); ++s) context_.push_back(batch.context(s));
  }

  // Reads the prompts, which gives the first new tokens. Returns the rows computed.
  int64_t prefill(const std::function<void()>& layer_done);
  // Reads the last new token of every sequence that goes on, and makes the next; false where none goes on.
  bool step();
  void record() const;

  const std::vector<std::vector<int32_t>>& made() const { return made_; }

 private:
  bool goes_on(size_t sequence) const;
  void read(std::span<const size_t> active, const TokenRows& tokens, std::span<const int64_t> slots,
            std::span<const QuerySpan> spans);
  void make(std::span<const size_t> active, const Matrix& hidden);
  void keep_routing(std::span<const size_t> active, const Routing& routing);

  Decoder& decoder_;
  const model::ModelConfig& config_;
  const Batch& batch_;
  const Variant& variant_;
  int64_t most_;
  Cache cache_;
  std::vector<std::vector<KeyRange>> context_;  // of each sequence: its prompt's keys
  std::vector<std::vector<int32_t>> made_;
  std::vector<std::vector<Record>> records_;  // [sequences][tokens read]
};

int64_t Generation::prefill(const std::function<void()>& layer_done) {
  const Variant quiet{variant_.policy, nullptr, [&](size_t s, std::span<const float> logits) {
                        made_[s - batch_.first_sequence()].push_back(arg_max(logits));
                        if (variant_.on_logits) variant_.on_logits(s, logits);
                      }};
  const Stage all = whole(config_);
  Pass pass(decoder_, batch_, std::span(&quiet, 1), cache_.layers(), all);
  pass.run(layer_done);
  return pass.rows_computed() / pass.layers();
}

// A sequence goes on until its budget or an end token is read.
bool Generation::goes_on(size_t sequence) const {
  const std::vector<int32_t>& made = made_[sequence];
  return made.size() > records_[sequence].size();
}

bool Generation::step() {
  std::vector<size_t> active;
  for (size_t s = 0; s < made_.size(); ++s) {
    if (goes_on(s)) active.push_back(s);
  }
  if (active.empty()) return false;
  const int64_t rows = static_cast<int64_t>(active.size());
  std::vector<int32_t> token;
  std::vector<int64_t> position, slot;
  std::vector<QuerySpan> spans;
  for (const size_t s : active) {
    const int64_t read = static_cast<int64_t>(records_[s].size());
    const int64_t own = batch_.rows() + static_cast<int64_t>(s) * most_;
    spans.push_back({static_cast<int64_t>(token.size()), 1, context_[s], own, read});
    token.push_back(made_[s].back());
    position.push_back(static_cast<int64_t>(batch_.sequences()[s].tokens.size()) + read);
    slot.push_back(own + read);
  }
  const Matrix hidden{decoder_.hidden.reserve_as<float>(rows * config_.d_model), Compute::kF32,
                      config_.d_model};
  decoder_.embed(token, hidden);
  try {
    read(active, {rows, hidden, position.data()}, slot, spans);
    make(active, hidden);
  } catch (const NotFinite& found) {
    const size_t row = static_cast<size_t>(found.row);
    throw SampleError(batch_.sequences()[active[row]].sample,
                      fmt::format("{}: the {} of the generated token at position {} is NaN or Inf",
                                  decoder_.model.folder().string(), found.what, position[row]));
  }
  return true;
}

// The next token of every sequence whose last one is read, unless it was an end token or the last of its
// budget.
void Generation::make(std::span<const size_t> active, const Matrix& hidden) {
  std::vector<int64_t> rows(active.size());
  std::iota(rows.begin(), rows.end(), int64_t{0});
  decoder_.logits(hidden, rows, [&](int64_t r, std::span<const float> logits) {
    const size_t s = active[static_cast<size_t>(r)];
    const auto& ends = config_.end_tokens;
    const bool ended = std::find(ends.begin(), ends.end(), made_[s].back()) != ends.end();
    if (!ended && static_cast<int64_t>(made_[s].size()) < most_) made_[s].push_back(arg_max(logits));
  });
}

void Generation::read(std::span<const size_t> active, const TokenRows& tokens, std::span<const int64_t> slots,
                      std::span<const QuerySpan> spans) {
  for (const size_t s : active) records_[s].emplace_back();
  for (int l = 0; l < config_.layers; ++l) {
    const model::LayerWeights& layer = decoder_.layers.prepare(l);
    const KeyValues& cache = cache_.layers()[static_cast<size_t>(l)];
    decoder_.attention.keys(layer, tokens, slots.data(), cache);
    decoder_.attention.add(layer, tokens, spans, cache);
    if (config_.is_moe(l)) {
      keep_routing(active,
                   decoder_.feed_forward.route(layer, tokens, {at_layer(variant_.policy, config_, l)}));
      decoder_.feed_forward.add_routed(layer, tokens);
    } else {
      decoder_.feed_forward.add_dense(layer, tokens);
    }
    decoder_.layers.release(l);
  }
}

void Generation::keep_routing(std::span<const size_t> active, const Routing& routing) {
  const auto append = [](auto& to, const auto* from, int64_t row, int64_t count) {
    to.insert(to.end(), from + row * count, from + (row + 1) * count);
  };
  for (size_t i = 0; i < active.size(); ++i) {
    Record& record = records_[active[i]].back();
    append(record.probs, routing.probs, static_cast<int64_t>(i), routing.experts);
    append(record.ids, routing.ids, static_cast<int64_t>(i), routing.slots);
    append(record.weights, routing.weights, static_cast<int64_t>(i), routing.slots);
  }
}

void Generation::record() const {
  model::RecordedRows rows;
  for (size_t s = 0; s < made_.size(); ++s) {
    for (size_t i = 0; i < made_[s].size(); ++i) {
      rows.sample.push_back(batch_.sequences()[s].sample);
      rows.position.push_back(static_cast<int32_t>(batch_.sequences()[s].tokens.size() + i));
      rows.token.push_back(made_[s][i]);
      rows.content.push_back(1);
    }
  }
  variant_.sink->begin_chunk(rows);
  const size_t layers = config_.moe_layers.size();
  for (size_t layer = 0; layer < layers; ++layer) {
    std::vector<float> probs, weights;
    std::vector<uint16_t> ids;
    const auto append = [&](auto& to, const auto& all) {
      const size_t count = all.size() / layers;
      to.insert(to.end(), all.begin() + static_cast<int64_t>(layer * count),
                all.begin() + static_cast<int64_t>((layer + 1) * count));
    };
    for (const std::vector<Record>& records : records_) {
      for (const Record& record : records) {
        append(probs, record.probs);
        append(ids, record.ids);
        append(weights, record.weights);
      }
    }
    variant_.sink->record({static_cast<int>(layer), 0, rows.size(), probs, ids, weights});
  }
  variant_.sink->end_chunk();
}

}  // namespace

std::vector<std::vector<int32_t>> Engine::generate(std::span<const Sequence> sequences, int max_new_tokens,
                                                   const Variant& variant, const OnProgress& on_progress) {
  if (max_new_tokens < 1) throw Error("{} new tokens cannot be generated", max_new_tokens);
  Decoder& decoder = state_->decoder;
  state_->check(sequences, std::span(&variant, 1), max_new_tokens);
  std::vector<Sequence> prompts;
  Progress progress;
  for (const Sequence& sequence : sequences) {
    prompts.push_back({sequence.sample, sequence.tokens, {}, {}, true});
    progress.total_tokens += static_cast<int64_t>(sequence.tokens.size()) + max_new_tokens;
  }
  decoder.first_layer = 0;
  decoder.end_layer = decoder.config().layers;
  const ChunkCost cost = generation_cost(decoder, variant, max_new_tokens, state_->budget());
  decoder.layers.set(decoder.end_layer, cost.keeps_weights);
  std::vector<std::vector<int32_t>> made;
  const PartReports parts(decoder.machine, on_progress, progress);
  const Variant asked{variant.policy, variant.sink, [&](size_t s, std::span<const float> logits) {
                        if (variant.on_logits && sequences[s].wants_logits) variant.on_logits(s, logits);
                      }};
  for (size_t begin = 0; begin < prompts.size();) {
    const size_t end = chunk_end(cost, prompts, begin, state_->share_prefixes);
    const std::span<const Sequence> chunk = std::span<const Sequence>(prompts).subspan(begin, end - begin);
    const Batch batch(chunk, begin, state_->share_prefixes);
    Generation generation(decoder, batch, max_new_tokens, asked);
    const int64_t before = progress.tokens;
    progress.layer = 1;
    progress.layers = decoder.config().layers;
    generation.prefill([&] {
      progress.tokens = before + batch.tokens_read() * progress.layer / progress.layers;
      progress.layer = std::min(progress.layer + 1, progress.layers);
      if (on_progress) on_progress(progress);
    });
    const int64_t sequence_count = static_cast<int64_t>(end - begin);
    progress.layers = 0;
    progress.steps = max_new_tokens;
    for (progress.step = 1; generation.step(); ++progress.step) {
      progress.tokens = before + batch.tokens_read() + progress.step * sequence_count;
      if (on_progress) on_progress(progress);
    }
    progress.tokens = before + batch.tokens_read() + max_new_tokens * sequence_count;
    if (on_progress) on_progress(progress);
    if (variant.sink) generation.record();
    made.insert(made.end(), generation.made().begin(), generation.made().end());
    begin = end;
  }
  return made;
}

}  // namespace committee::engine
