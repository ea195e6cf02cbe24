#include "balance/biases.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "balance/trace_rows.h"

namespace committee::balance {
namespace {

constexpr int kPatience = 100;
constexpr float kGrow = 1.3F, kShrink = 0.5F, kLargestStep = 1, kSmallestStep = 1e-9F;

double worst_of(std::span<const int64_t> load, double uniform) {
  double worst = 0;
  for (const int64_t n : load) worst = std::max(worst, std::abs(static_cast<double>(n) / uniform - 1));
  return worst;
}

// One layer on its way down.
struct Descent {
  std::vector<float> bias, step;
  std::vector<int> side;  // of the uniform load, last time: -1, 0, 1
  Biases best;
  int since_best = 0;
  bool done = false;

  explicit Descent(int experts)
      : bias(experts), step(experts, 0.1F / static_cast<float>(experts)), side(experts) {
    best.worst = std::numeric_limits<double>::infinity();
  }

  void take(std::span<const int64_t> load, double uniform, double tolerance, int max_passes) {
    const double worst = worst_of(load, uniform);
    ++best.passes;
    ++since_best;
    if (worst < best.worst) {
      best.worst = worst;
      best.bias = bias;
      since_best = 0;
    }
    best.converged = best.worst <= tolerance;
    done = best.converged || best.passes >= max_passes || since_best >= kPatience;
    if (done) return;
    for (size_t e = 0; e < bias.size(); ++e) {
      const double excess = static_cast<double>(load[e]) / uniform - 1;
      const int now = std::abs(excess) <= tolerance / 2 ? 0 : excess > 0 ? 1 : -1;
      if (now * side[e] > 0) step[e] = std::min(step[e] * kGrow, kLargestStep);
      if (now * side[e] < 0) step[e] = std::max(step[e] * kShrink, kSmallestStep);
      bias[e] -= static_cast<float>(now) * step[e];
      if (now != 0) side[e] = now;
    }
    // Only differences select.
    const float mean = std::accumulate(bias.begin(), bias.end(), 0.0F) / static_cast<float>(bias.size());
    for (float& b : bias) b -= mean;
  }
};

}  // namespace

void select(std::span<const float> scores, std::span<const float> bias, std::span<uint16_t> ids) {
  thread_local std::vector<float> best;
  const size_t k = ids.size();
  best.assign(k, 0);
  size_t held = 0;
  for (size_t e = 0; e < scores.size(); ++e) {
    const float score = bias.empty() ? scores[e] : scores[e] + bias[e];
    if (held == k && !(score > best[k - 1])) continue;
    size_t at = held < k ? held++ : k - 1;
    for (; at > 0 && score > best[at - 1]; --at) {
      best[at] = best[at - 1];
      ids[at] = ids[at - 1];
    }
    best[at] = score;
    ids[at] = static_cast<uint16_t>(e);
  }
}

std::vector<Biases> find_biases(const audit::SampleReader& reader, double tolerance, int max_passes,
                                ThreadPool& pool) {
  const int layers = reader.layers(), experts = reader.experts(), k = reader.trace().manifest().model.top_k;
  const double uniform = static_cast<double>(reader.rows()) * k / experts;
  const TraceRows rows(reader);
  std::vector<Descent> descents(layers, Descent(experts));
  const size_t cells = static_cast<size_t>(layers) * experts;
  std::vector<std::vector<int64_t>> loads(pool.size(), std::vector<int64_t>(cells));
  std::vector<std::vector<uint16_t>> ids(pool.size(), std::vector<uint16_t>(k));
  while (std::any_of(descents.begin(), descents.end(), [](const Descent& d) { return !d.done; })) {
    for (auto& load : loads) std::fill(load.begin(), load.end(), 0);
    rows.for_each(pool, [&](int64_t, int64_t row, const trace::RowBlock& block, int worker) {
      for (int l = 0; l < layers; ++l) {
        if (descents[l].done) continue;
        select(scores_of(block, row, l, layers, experts), descents[l].bias, ids[worker]);
        for (const uint16_t id : ids[worker]) ++loads[worker][static_cast<size_t>(l) * experts + id];
      }
    });
    for (size_t w = 1; w < loads.size(); ++w) {
      for (size_t i = 0; i < cells; ++i) loads[0][i] += loads[w][i];
    }
    for (int l = 0; l < layers; ++l) {
      if (descents[l].done) continue;
      descents[l].take(std::span(loads[0]).subspan(static_cast<size_t>(l) * experts, experts), uniform,
                       tolerance, max_passes);
    }
  }
  std::vector<Biases> result;
  for (Descent& descent : descents) result.push_back(std::move(descent.best));
  return result;
}

Moves apply_biases(const audit::SampleReader& reader, const std::vector<Biases>& biases, ThreadPool& pool) {
  const int layers = reader.layers(), experts = reader.experts(), k = reader.trace().manifest().model.top_k;
  const size_t size = reader.size() * layers;
  Moves moves;
  for (auto* values : {&moves.moved, &moves.lost, &moves.executed, &moves.rule_agrees}) values->resize(size);
  std::vector<std::vector<int64_t>> loads(pool.size(),
                                          std::vector<int64_t>(static_cast<size_t>(layers) * experts));
  std::vector<std::vector<uint16_t>> scratch(pool.size(), std::vector<uint16_t>(k));
  TraceRows(reader).for_each(pool,
                             [&](int64_t sample, int64_t row, const trace::RowBlock& block, int worker) {
                               auto& ids = scratch[worker];
                               for (int l = 0; l < layers; ++l) {
                                 const auto scores = scores_of(block, row, l, layers, experts);
                                 const auto recorded = block.topk_id.subspan((row * layers + l) * k, k);
                                 const auto missing = [&] {
                                   return std::count_if(recorded.begin(), recorded.end(), [&](uint16_t id) {
                                     return std::find(ids.begin(), ids.end(), id) == ids.end();
                                   });
                                 };
                                 const size_t at = sample * layers + l;
                                 select(scores, {}, ids);
                                 moves.rule_agrees[at] += missing() == 0;
                                 select(scores, biases[l].bias, ids);
                                 moves.moved[at] += static_cast<float>(missing());
                                 double before = 0, after = 0;
                                 for (const uint16_t id : recorded) before += scores[id];
                                 for (const uint16_t id : ids) {
                                   after += scores[id];
                                   ++loads[worker][static_cast<size_t>(l) * experts + id];
                                 }
                                 moves.executed[at] += static_cast<float>(before);
                                 moves.lost[at] += static_cast<float>(before - after);
                               }
                             });
  moves.load.assign(layers, std::vector<int64_t>(experts));
  for (const auto& load : loads) {
    for (int l = 0; l < layers; ++l) {
      for (int e = 0; e < experts; ++e) moves.load[l][e] += load[static_cast<size_t>(l) * experts + e];
    }
  }
  return moves;
}

}  // namespace committee::balance
