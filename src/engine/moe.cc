#include "engine/moe.h"

#include <algorithm>
#include <atomic>
#include <limits>

#include "engine/feed_forward.h"
#include "engine/linear.h"
#include "engine/norm.h"
#include "engine/router.h"

namespace committee::engine {
namespace {

constexpr int64_t kBlock = 1024;  // rows that are held in float32 at a time

}  // namespace

const Routing& FeedForward::route(const model::LayerWeights& layer, const TokenRows& tokens,
                                  const std::vector<LayerPolicy>& lanes) {
  const auto timing = machine_.stopwatch.time(Op::kRouter);
  const int64_t d = config_.d_model, rows = tokens.rows;
  int slots = 0;
  for (const LayerPolicy& policy : lanes) slots = std::max(slots, policy.top_k);
  const int experts = config_.router.experts;
  routing_ = {rows,
              experts,
              slots,
              probs_.reserve_as<float>(rows * experts),
              ids_.reserve_as<uint16_t>(rows * slots),
              weights_.reserve_as<float>(rows * slots)};
  x_ = {normed_.reserve(static_cast<size_t>(rows * d) * size_of(machine_.compute)), machine_.compute, d};
  const bool gated = static_cast<bool>(layer.moe.shared_gate);
  const Matrix gate{gated ? shared_scale_.reserve_as<float>(rows) : nullptr, Compute::kF32, 1};
  const std::vector<float> norm = load_all(layer.ffn_norm);
  for (int64_t first = 0; first < rows; first += kBlock) {
    const int64_t count = std::min(kBlock, rows - first);
    const Matrix exact{block_.reserve_as<float>(count * d), Compute::kF32, d};
    norm_rows(machine_, tokens.hidden, first, count, norm, config_.norm_eps, exact);
    const Matrix logits{routing_.probs + first * experts, Compute::kF32, experts};
    project(machine_, exact, count, layer.moe.router, logits, Output::kSet);
    if (gated)
      project(machine_, exact, count, layer.moe.shared_gate, {gate.at(first), gate.type, 1}, Output::kSet);
    machine_.pool.for_ranges(count, 32, [&](int64_t begin, int64_t end, int) {
      for (int64_t r = begin; r < end; ++r) store(exact.floats(r), d, x_.type, x_.at(first + r));
    });
  }
  if (gated) sigmoid(gate.floats(0), rows);
  runs_shared_.clear();
  for (const LayerPolicy& policy : lanes) runs_shared_.push_back(policy.runs_shared);
  select(layer, lanes);
  return routing_;
}

void FeedForward::select(const model::LayerWeights& layer, const std::vector<LayerPolicy>& lanes) {
  constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> bad = kNone;
  const std::vector<float> bias = load_all(layer.moe.correction_bias);
  const int64_t lane_rows = routing_.rows / static_cast<int64_t>(lanes.size());
  for (size_t lane = 0; lane < lanes.size(); ++lane) {
    const Selector selector(config_.router, lanes[lane], bias);
    const int64_t first = static_cast<int64_t>(lane) * lane_rows;
    machine_.pool.for_ranges(lane_rows, 64, [&](int64_t begin, int64_t end, int) {
      Selector own = selector;
      for (int64_t r = first + begin; r < first + end; ++r) {
        float* logits = routing_.probs + r * routing_.experts;
        uint16_t* ids = routing_.ids + r * routing_.slots;
        float* weights = routing_.weights + r * routing_.slots;
        std::fill_n(ids, routing_.slots, uint16_t{0});
        std::fill_n(weights, routing_.slots, 0.0f);
        if (all_finite(logits, routing_.experts)) {
          own.select(logits, ids, weights);
          continue;
        }
        int64_t known = bad;
        while (r < known && !bad.compare_exchange_weak(known, r)) {
        }
      }
    });
  }
  if (bad != kNone) throw NotFinite{bad, "router's output"};
}

void FeedForward::add_routed(const model::LayerWeights& layer, const TokenRows& tokens) {
  const Selection selection{routing_.rows, routing_.slots, routing_.ids, routing_.weights};
  {
    const auto timing = machine_.stopwatch.time(Op::kExperts);
    add_experts(machine_, layer.moe.experts, x_, selection, tokens.hidden, outputs_);
  }
  if (!layer.moe.shared.gate) return;
  const float* scales =
      layer.moe.shared_gate ? reinterpret_cast<const float*>(shared_scale_.data()) : nullptr;
  const auto timing = machine_.stopwatch.time(Op::kDense);
  const int64_t lane_rows = tokens.rows / static_cast<int64_t>(runs_shared_.size());
  for (size_t lane = 0, end = 0; lane < runs_shared_.size(); lane = end) {
    for (end = lane + 1; end < runs_shared_.size() && runs_shared_[end] == runs_shared_[lane];) ++end;
    if (!runs_shared_[lane]) continue;
    const int64_t first = static_cast<int64_t>(lane) * lane_rows;
    const Matrix &x = x_, &hidden = tokens.hidden;
    add_feed_forward(machine_, layer.moe.shared, {x.at(first), x.type, x.stride},
                     static_cast<int64_t>(end - lane) * lane_rows, scales ? scales + first : nullptr,
                     {hidden.at(first), hidden.type, hidden.stride}, middle_);
  }
}

void FeedForward::add_dense(const model::LayerWeights& layer, const TokenRows& tokens) {
  const auto timing = machine_.stopwatch.time(Op::kDense);
  const int64_t d = config_.d_model;
  x_ = {normed_.reserve(static_cast<size_t>(tokens.rows * d) * size_of(machine_.compute)), machine_.compute,
        d};
  norm_rows(machine_, tokens.hidden, 0, tokens.rows, load_all(layer.ffn_norm), config_.norm_eps, x_);
  add_feed_forward(machine_, layer.dense, x_, tokens.rows, nullptr, tokens.hidden, middle_);
}

}  // namespace committee::engine
