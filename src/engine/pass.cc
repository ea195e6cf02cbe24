#include "engine/pass.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace committee::engine {

std::vector<Lane> part(const Lane& lane, std::span<const Variant> variants, const model::ModelConfig& config,
                       int layer) {
  std::vector<Lane> parts;
  std::vector<LayerPolicy> policies;
  for (const size_t v : lane) {
    LayerPolicy policy = at_layer(variants[v].policy, config, layer);
    const size_t p =
        static_cast<size_t>(std::find(policies.begin(), policies.end(), policy) - policies.begin());
    if (p == parts.size()) {
      parts.emplace_back();
      policies.push_back(std::move(policy));
    }
    parts[p].push_back(v);
  }
  return parts;
}

int64_t most_lanes(std::span<const Variant> variants, const model::ModelConfig& config) {
  std::vector<Lane> lanes(1, Lane(variants.size()));
  std::iota(lanes[0].begin(), lanes[0].end(), size_t{0});
  for (const int layer : config.moe_layers) {
    std::vector<Lane> next;
    for (const Lane& lane : lanes) {
      for (Lane& p : part(lane, variants, config, layer)) next.push_back(std::move(p));
    }
    lanes = std::move(next);
  }
  return static_cast<int64_t>(lanes.size());
}

Stage whole(const model::ModelConfig& config) {
  Stage stage;
  stage.end = config.layers;
  return stage;
}

int last_layer(const model::ModelConfig& config, bool wants_logits) {
  return wants_logits || config.moe_layers.empty() ? config.layers - 1 : config.moe_layers.back();
}

void record_rows(Machine& machine, const Routing& routing, std::span<const int64_t> rows, int k,
                 int moe_layer, model::RoutingSink& sink) {
  constexpr int64_t kRows = 256;
  const int64_t experts = routing.experts;
  machine.pool.for_ranges(static_cast<int64_t>(rows.size()), kRows,
                          [&](int64_t begin, int64_t end, int index) {
                            Worker& worker = machine.worker(index);
                            const int64_t count = end - begin;
                            float* probs = worker.middle.reserve_as<float>(count * experts);
                            float* weights = worker.output.reserve_as<float>(count * k);
                            uint16_t* ids = worker.input.reserve_as<uint16_t>(count * k);
                            for (int64_t i = 0; i < count; ++i) {
                              const int64_t row = rows[static_cast<size_t>(begin + i)];
                              std::copy_n(routing.probs + row * experts, experts, probs + i * experts);
                              std::copy_n(routing.weights + row * routing.slots, k, weights + i * k);
                              std::copy_n(routing.ids + row * routing.slots, k, ids + i * k);
                            }
                            sink.record({moe_layer,
                                         begin,
                                         count,
                                         {probs, static_cast<size_t>(count * experts)},
                                         {ids, static_cast<size_t>(count * k)},
                                         {weights, static_cast<size_t>(count * k)}});
                          });
}

Pass::Pass(Decoder& decoder, const Batch& batch, std::span<const Variant> variants,
           std::span<const KeyValues> caches, const Stage& stage)
    : decoder_(decoder),
      config_(decoder.config()),
      batch_(batch),
      variants_(variants),
      caches_(caches),
      stage_(stage) {
  lanes_.emplace_back(variants.size());
  std::iota(lanes_[0].begin(), lanes_[0].end(), size_t{0});
  rows_.resize(static_cast<size_t>(batch.rows()));
  std::iota(rows_.begin(), rows_.end(), int64_t{0});
  for (size_t s = 0; s < batch.sequences().size(); ++s) {
    if (batch.sequences()[s].wants_logits) scored_.push_back(batch.last_rows()[s]);
  }
  std::sort(scored_.begin(), scored_.end());
  scored_.erase(std::unique(scored_.begin(), scored_.end()), scored_.end());
  last_layer_ = last_layer(config_, !scored_.empty());
  end_layer_ = std::min(stage_.end, last_layer_ + 1);
  set_positions();
}

TokenRows Pass::tokens() const {
  const Matrix hidden{decoder_.hidden.data(), Compute::kF32, config_.d_model};
  return {static_cast<int64_t>(positions_.size()), hidden, positions_.data()};
}

void Pass::set_positions() {
  positions_.clear();
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    for (const int64_t row : rows_) positions_.push_back(batch_.positions()[static_cast<size_t>(row)]);
  }
}

// Moves the given rows, some of those held, together.
void Pass::keep(std::vector<int64_t> rows) {
  const Matrix hidden = tokens().hidden;
  const int64_t held = static_cast<int64_t>(rows_.size());
  int64_t to = 0;
  for (int64_t lane = 0; lane < lane_count(); ++lane) {
    auto at = rows_.begin();
    for (const int64_t row : rows) {
      at = std::lower_bound(at, rows_.end(), row);
      const int64_t from = lane * held + (at - rows_.begin());
      if (from != to)
        std::memcpy(hidden.at(to), hidden.at(from), static_cast<size_t>(hidden.stride) * sizeof(float));
      ++to;
    }
  }
  rows_ = std::move(rows);
  set_positions();
}

void Pass::explain(const NotFinite& found, int layer) const {
  const Batch::Place place = batch_.place(rows_[static_cast<size_t>(found.row) % rows_.size()]);
  const std::string tensor = decoder_.broken_tensor(layer);
  const std::string where = layer < config_.layers ? fmt::format("layer {}", layer) : "after the last layer";
  const std::string why = tensor.empty() ? "" : fmt::format(", as tensor {} holds NaN or Inf", tensor);
  throw SampleError(place.sample,
                    fmt::format("{}: {}: the {} of the token at position {} is NaN or Inf{}",
                                decoder_.model.folder().string(), where, found.what, place.position, why));
}

}  // namespace committee::engine
