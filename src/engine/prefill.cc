// The forward pass, to be read first: embed → layers (attention, then experts or a dense feed-forward) → norm
// and logits, for all prompts of a chunk at a time.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "engine/norm.h"
#include "engine/pass.h"

namespace committee::engine {

void Pass::run(const std::function<void()>& layer_done) {
  int layer = stage_.first;
  try {
    begin();
    for (; layer < end_layer_; ++layer) {
      decoder_.layers.prepare(layer);
      attention(layer);
      if (config_.is_moe(layer)) {
        split_lanes(layer);
        record(layer, route(layer));
        if (layer == last_layer_) {  // only what the logits need goes on
          keep(scored_);
          route(layer);
        }
        decoder_.feed_forward.add_routed(decoder_.layers.weights(), tokens());
      } else {
        decoder_.feed_forward.add_dense(decoder_.layers.weights(), tokens());
      }
      decoder_.layers.release(layer);
      layer_done();
    }
    end();
  } catch (const NotFinite& found) {
    explain(found, layer);
  }
  for (const Variant& variant : variants_) {
    if (variant.sink) variant.sink->end_chunk();
  }
}

void Pass::begin() {
  const int64_t rows = batch_.rows(), d = config_.d_model;
  float* hidden = decoder_.hidden.reserve_as<float>(most_lanes(variants_, config_) * rows * d);
  if (stage_.first == 0) {
    decoder_.embed(batch_.tokens(), tokens().hidden);
  } else if (stage_.first <= last_layer_) {
    stage_.receive({hidden, static_cast<size_t>(rows * d)});
  }
  for (const Variant& variant : variants_) {
    if (variant.sink) variant.sink->begin_chunk(batch_.recorded());
  }
}

// Where layers that matter are left, the next stage has them.
void Pass::end() {
  if (stage_.end <= last_layer_) {
    stage_.send_on({tokens().hidden.floats(0), static_cast<size_t>(batch_.rows() * config_.d_model)});
  } else if (stage_.first <= last_layer_) {
    logits();
  }
}

// In the last layer only the rows that are recorded or scored ask; all are keys.
void Pass::attention(int layer) {
  const model::LayerWeights& weights = decoder_.layers.weights();
  const int64_t all = batch_.rows();
  rows_computed_ += all * lane_count();
  const KeyValues into = keys(layer);
  decoder_.attention.keys(weights, tokens(), nullptr, into);
  if (layer == last_layer_) {
    std::vector<int64_t> wanted = scored_;
    if (config_.is_moe(layer))
      wanted.insert(wanted.end(), batch_.recorded_rows().begin(), batch_.recorded_rows().end());
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    keep(std::move(wanted));
  }
  const std::vector<QuerySpan> one = batch_.spans(rows_);
  std::vector<QuerySpan> spans;
  for (int64_t lane = 0; lane < lane_count(); ++lane) {
    for (QuerySpan span : one) {
      span.row += lane * static_cast<int64_t>(rows_.size());
      span.own_begin += lane * all;
      for (KeyRange& range : span.context) range.begin += lane * all;
      spans.push_back(std::move(span));
    }
  }
  decoder_.attention.add(weights, tokens(), spans, into);
}

// Where a layer's keys and values go: memory that all layers share, or a cache of its own.
KeyValues Pass::keys(int layer) {
  KeyValues into = caches_.empty() ? KeyValues{} : caches_[static_cast<size_t>(layer)];
  if (into.k) return into;
  const model::Attention& attention = config_.attention;
  const int64_t rows = batch_.rows() * lane_count();
  const auto heads = [&](Bytes& bytes, int64_t dim) {
    const Compute type = decoder_.machine.compute;
    const int64_t used = attention.kv_heads * rows;
    const size_t row_bytes = static_cast<size_t>(dim) * size_of(type);
    const Matrix all{bytes.reserve(static_cast<size_t>(used + kKeySlack) * row_bytes), type, dim};
    std::memset(all.at(used), 0, static_cast<size_t>(kKeySlack) * row_bytes);
    return HeadRows{all, rows * dim};
  };
  into.k = heads(decoder_.keys, attention.qk_dim);
  into.v = heads(decoder_.values, attention.v_dim);
  return into;
}

// A lane whose variants part at this layer becomes several: copies of its rows from here on.
void Pass::split_lanes(int layer) {
  const size_t before = lanes_.size(), lane_floats = rows_.size() * static_cast<size_t>(config_.d_model);
  float* hidden = tokens().hidden.floats(0);
  for (size_t lane = 0; lane < before; ++lane) {
    std::vector<std::vector<size_t>> parts = part(lanes_[lane], variants_, config_, layer);
    lanes_[lane] = std::move(parts[0]);
    for (size_t p = 1; p < parts.size(); ++p) {
      std::memcpy(hidden + lanes_.size() * lane_floats, hidden + lane * lane_floats,
                  lane_floats * sizeof(float));
      lanes_.push_back(std::move(parts[p]));
    }
  }
  set_positions();
}

const Routing& Pass::route(int layer) {
  std::vector<LayerPolicy> policies;
  for (const std::vector<size_t>& lane : lanes_)
    policies.push_back(at_layer(variants_[lane[0]].policy, config_, layer));
  return decoder_.feed_forward.route(decoder_.layers.weights(), tokens(), policies);
}

void Pass::record(int layer, const Routing& routing) {
  const auto timing = decoder_.machine.stopwatch.time(Op::kRecord);
  const auto& moe = config_.moe_layers;
  const int index = static_cast<int>(std::lower_bound(moe.begin(), moe.end(), layer) - moe.begin());
  std::vector<int64_t> where(static_cast<size_t>(batch_.rows()), -1);  // of a batch row among those held
  for (size_t i = 0; i < rows_.size(); ++i) where[static_cast<size_t>(rows_[i])] = static_cast<int64_t>(i);
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    std::vector<int64_t> rows;
    for (const int64_t row : batch_.recorded_rows())
      rows.push_back(where[static_cast<size_t>(row)] + static_cast<int64_t>(lane * rows_.size()));
    for (const size_t v : lanes_[lane]) {
      const int k = at_layer(variants_[v].policy, config_, layer).top_k;
      if (variants_[v].sink) record_rows(decoder_.machine, routing, rows, k, index, *variants_[v].sink);
    }
  }
}

void Pass::logits() {
  if (rows_.empty()) return;
  std::vector<std::vector<size_t>> sequences(rows_.size());  // that end in each row
  for (size_t s = 0; s < batch_.last_rows().size(); ++s) {
    if (!batch_.sequences()[s].wants_logits) continue;
    const auto row = std::lower_bound(rows_.begin(), rows_.end(), batch_.last_rows()[s]);
    sequences[static_cast<size_t>(row - rows_.begin())].push_back(s);
  }
  // A row in all lanes before the next row: who compares variants keeps one distribution at a time.
  std::vector<int64_t> order;
  for (size_t row = 0; row < rows_.size(); ++row) {
    for (size_t lane = 0; lane < lanes_.size(); ++lane)
      order.push_back(static_cast<int64_t>(lane * rows_.size() + row));
  }
  decoder_.logits(tokens().hidden, order, [&](int64_t r, std::span<const float> values) {
    for (const size_t v : lanes_[static_cast<size_t>(r) / rows_.size()]) {
      if (!variants_[v].on_logits) continue;
      for (const size_t s : sequences[static_cast<size_t>(r) % rows_.size()])
        variants_[v].on_logits(batch_.first_sequence() + s, values);
    }
  });
}

}  // namespace committee::engine
