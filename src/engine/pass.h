#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/batch.h"
#include "engine/decoder.h"
#include "engine/norm.h"

namespace committee::engine {

// Variants by index, in lanes: those of a lane have been routed alike so far.
using Lane = std::vector<size_t>;

// How the variants of a lane part at a layer: one lane or more, in order of their first variants.
std::vector<Lane> part(const Lane& lane, std::span<const Variant> variants, const model::ModelConfig& config,
                       int layer);
// How many lanes there are after the last layer.
int64_t most_lanes(std::span<const Variant> variants, const model::ModelConfig& config);

// Hands rows of a layer's routing to a sink, in that order, k slots of each.
void record_rows(Machine& machine, const Routing& routing, std::span<const int64_t> rows, int k,
                 int moe_layer, model::RoutingSink& sink);

// One chunk of prompts on its way through all layers. Each lane is one copy of the chunk's rows, and splits
// where the policies of its variants first differ.
class Pass {
 public:
  // `caches`: keys and values of each layer to keep ([layers], for generation), or empty.
  Pass(Decoder& decoder, const Batch& batch, std::span<const Variant> variants,
       std::span<const KeyValues> caches, const Stage& stage);

  void run(const std::function<void()>& layer_done);

  int64_t rows_computed() const { return rows_computed_; }               // summed over layers
  int layers() const { return std::max(0, end_layer_ - stage_.first); }  // that run here

 private:
  void begin();
  void end();
  void attention(int layer);
  KeyValues keys(int layer);
  void split_lanes(int layer);
  const Routing& route(int layer);
  void record(int layer, const Routing& routing);
  void logits();

  TokenRows tokens() const;
  void keep(std::vector<int64_t> rows);
  void set_positions();
  int64_t lane_count() const { return static_cast<int64_t>(lanes_.size()); }
  [[noreturn]] void explain(const NotFinite& found, int layer) const;

  Decoder& decoder_;
  const model::ModelConfig& config_;
  const Batch& batch_;
  std::span<const Variant> variants_;
  std::span<const KeyValues> caches_;
  std::vector<Lane> lanes_;
  std::vector<int64_t> rows_;       // of the batch that each lane still holds, ascending
  std::vector<int64_t> positions_;  // [lanes, rows]
  std::vector<int64_t> scored_;     // rows whose logits are wanted, ascending
  const Stage& stage_;
  int last_layer_ = 0;  // of the model that matters
  int end_layer_ = 0;   // of those that run here
  int64_t rows_computed_ = 0;
};

// All layers at once.
Stage whole(const model::ModelConfig& config);

// The last layer that matters: of the whole model where logits are wanted, else the last with routed experts.
int last_layer(const model::ModelConfig& config, bool wants_logits);

}  // namespace committee::engine
