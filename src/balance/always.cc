#include "balance/always.h"

#include <algorithm>

#include "audit/grouping.h"
#include "audit/percentile.h"
#include "audit/resample_plan.h"
#include "balance/biases.h"
#include "balance/trace_rows.h"
#include "base/error.h"

namespace committee::balance {
namespace {

using interventions::ExpertSet;
using interventions::Kind;

constexpr float kFirst = 2;  // above every score: distributions sum to 1

// One set at one layer, as a bias for selection.
struct Part {
  size_t set = 0;
  int layer = 0;  // index
  std::vector<float> bias;
};

std::vector<Part> parts_of(const std::vector<ExpertSet>& sets, const trace::ModelInfo& model) {
  std::vector<Part> parts;
  for (size_t s = 0; s < sets.size(); ++s) {
    check_always(sets[s], model);
    for (const auto& [layer, ids] : sets[s].experts) {
      const auto at = std::find(model.moe_layers.begin(), model.moe_layers.end(), layer);
      Part part{s, static_cast<int>(at - model.moe_layers.begin()),
                std::vector<float>(static_cast<size_t>(model.experts))};
      for (const int id : ids) part.bias[static_cast<size_t>(id)] = kFirst;
      parts.push_back(std::move(part));
    }
  }
  return parts;
}

// Sums over a sample's tokens and a set's layers.
struct Cost {
  double moved = 0, lost = 0;
};

// [sets][samples].
std::vector<std::vector<Cost>> costs_of(const audit::SampleReader& reader, const std::vector<Part>& parts,
                                        size_t sets, ThreadPool& pool) {
  const int layers = reader.layers(), experts = reader.experts(), k = reader.trace().manifest().model.top_k;
  std::vector<std::vector<Cost>> costs(sets, std::vector<Cost>(static_cast<size_t>(reader.size())));
  std::vector<std::vector<uint16_t>> scratch(pool.size(), std::vector<uint16_t>(k));
  TraceRows(reader).for_each(
      pool, [&](int64_t sample, int64_t row, const trace::RowBlock& block, int worker) {
        auto& ids = scratch[worker];
        for (const Part& part : parts) {
          const auto scores = scores_of(block, row, part.layer, layers, experts);
          const auto recorded = block.topk_id.subspan((row * layers + part.layer) * k, k);
          select(scores, part.bias, ids);
          Cost& cost = costs[part.set][sample];
          for (const uint16_t id : recorded) {
            cost.moved += std::find(ids.begin(), ids.end(), id) == ids.end();
            cost.lost += scores[id];
          }
          for (const uint16_t id : ids) cost.lost -= scores[id];
        }
      });
  return costs;
}

// Slots moved a slot and mass lost a token, of the samples that `order` lists.
Cost mean_of(const std::vector<Cost>& costs, std::span<const int32_t> order,
             const audit::SampleReader& reader, size_t layers) {
  Cost sum;
  double rows = 0;
  for (const int32_t s : order) {
    sum.moved += costs[s].moved;
    sum.lost += costs[s].lost;
    rows += static_cast<double>(reader.rows(s));
  }
  rows *= static_cast<double>(layers);
  return {sum.moved / (rows * reader.trace().manifest().model.top_k), sum.lost / rows};
}

std::optional<double> p_of(const std::vector<AlwaysCost>& all, size_t target, Kind kind) {
  std::vector<double> controls;
  for (const AlwaysCost& other : all) {
    if (other.set.target == static_cast<int>(target) && other.set.kind == kind)
      controls.push_back(-*other.mass_lost.value);
  }
  return interventions::rank_p_value(-*all[target].mass_lost.value, controls);
}

}  // namespace

void check_always(const ExpertSet& set, const trace::ModelInfo& model) {
  for (const auto& [layer, ids] : set.experts) {
    if (std::find(model.moe_layers.begin(), model.moe_layers.end(), layer) == model.moe_layers.end())
      throw Error("layer {} has no routed experts to choose from", layer);
    if (static_cast<int>(ids.size()) > model.top_k)
      throw Error("layer {}: {} experts are always executed, more than the {} of a token", layer, ids.size(),
                  model.top_k);
    for (const int id : ids) {
      if (id < 0 || id >= model.experts)
        throw Error("layer {} has no expert {}: its ids are 0 to {}", layer, id, model.experts - 1);
    }
  }
}

std::vector<AlwaysCost> always_on(const trace::Trace& trace, const audit::AuditOptions& options,
                                  const std::vector<ExpertSet>& sets) {
  ThreadPool pool(std::max(1, options.threads));
  const audit::SampleReader reader(trace, options.positions, options.memory);
  const audit::Grouping grouping = audit::group_samples(reader, options);
  const auto costs = costs_of(reader, parts_of(sets, trace.manifest().model), sets.size(), pool);
  const auto samples = static_cast<size_t>(reader.size());
  std::vector<int32_t> observed(samples), lists(static_cast<size_t>(options.bootstrap) * samples);
  for (size_t s = 0; s < samples; ++s) observed[s] = static_cast<int32_t>(s);
  if (options.bootstrap > 0) {
    audit::ResamplePlan(grouping, audit::Scheme::kBootstrap, options.bootstrap, options.seed)
        .draw(0, options.bootstrap, lists, pool);
  }
  std::vector<AlwaysCost> result(sets.size());
  pool.for_each(static_cast<int64_t>(sets.size()), [&](int64_t i, int) {
    AlwaysCost& cost = result[i];
    cost.set = sets[i];
    const size_t layers = sets[i].experts.size();
    const Cost own = mean_of(costs[i], observed, reader, layers);
    cost.slots_moved.value = own.moved;
    cost.mass_lost.value = own.lost;
    std::vector<float> moved, lost;
    for (size_t begin = 0; begin < lists.size(); begin += samples) {
      const Cost one = mean_of(costs[i], std::span(lists).subspan(begin, samples), reader, layers);
      moved.push_back(static_cast<float>(one.moved));
      lost.push_back(static_cast<float>(one.lost));
    }
    if (lists.empty()) return;
    cost.slots_moved.bootstrap = audit::interval_of(moved);
    cost.mass_lost.bootstrap = audit::interval_of(lost);
  });
  for (size_t i = 0; i < result.size(); ++i) {
    result[i].p_random = p_of(result, i, Kind::kRandom);
    result[i].p_matched = p_of(result, i, Kind::kMatched);
  }
  return result;
}

}  // namespace committee::balance
