#include "audit/annotate.h"

#include <algorithm>
#include <map>

#include "audit/assemble.h"
#include "audit/compare.h"
#include "audit/percentile.h"

namespace committee::audit {
namespace {

constexpr double kStable = 0.95;  // inclusion that makes a member of the stable committee
// Of silhouettes of a handful of samples (silhouette_replicates.h).
constexpr double kSilhouetteRounding = 1e-5;

std::vector<float> column(const std::vector<Scalars>& scalars, Scalar scalar) {
  std::vector<float> values;
  values.reserve(scalars.size());
  for (const Scalars& s : scalars) values.push_back(static_cast<float>(s[scalar]));
  return values;
}

// Calls set(figure, replicates, tail[, rounding]) for every figure that has a row of cells of its own.
template <typename Set>
void for_each_cell(LayerResult& layer, const ReplicateTable& table, ThreadPool& pool, const Set& set) {
  const int r = table.replicates;
  const auto cells = static_cast<int64_t>(layer.contributions.size());
  pool.for_ranges(cells, 64, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      set(layer.contributions[i], ReplicateTable::row(table.contributions, i, r), Tail::kBoth);
    }
  });
  pool.for_ranges(static_cast<int64_t>(layer.experts.size()), 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t e = begin; e < end; ++e) {
      ExpertFigures& expert = layer.experts[e];
      set(expert.contribution, ReplicateTable::row(table.global, e, r), Tail::kBoth);
      set(expert.presence, ReplicateTable::row(table.presence, e, r), Tail::kBoth);
      set(expert.avg_rank, ReplicateTable::row(table.avg_rank, e, r), Tail::kBoth);
      set(expert.rank_variance, ReplicateTable::row(table.rank_variance, e, r), Tail::kBoth);
    }
  });
  pool.for_ranges(static_cast<int64_t>(layer.pairs.size()), 64, [&](int64_t begin, int64_t end, int) {
    for (int64_t p = begin; p < end; ++p) {
      set(layer.pairs[p].jaccard, ReplicateTable::row(table.pairs, p, r), Tail::kLower);
    }
  });
  if (table.silhouettes == 0) return;
  for (size_t t = 0; t < layer.silhouette.size(); ++t) {
    set(layer.silhouette[t], ReplicateTable::row(table.silhouette, t, table.silhouettes), Tail::kUpper,
        kSilhouetteRounding);
  }
}

void add_inclusion(LayerResult& layer, const std::vector<Committee>& committees) {
  std::vector<int> in_committee(layer.experts.size()), in_core(layer.experts.size());
  std::vector<std::vector<int>> found, cores;
  for (const Committee& committee : committees) {
    for (const int id : committee.members) ++in_committee[id];
    for (const int id : committee.core) ++in_core[id];
    found.push_back(committee.members);
    cores.push_back(committee.core);
  }
  layer.stable.emplace();
  const auto count = static_cast<double>(committees.size());
  for (size_t e = 0; e < layer.experts.size(); ++e) {
    layer.experts[e].inclusion = in_committee[e] / count;
    layer.experts[e].core_inclusion = in_core[e] / count;
    if (*layer.experts[e].inclusion >= kStable) layer.stable->push_back(static_cast<int>(e));
  }
  layer.bootstrap_committees = bootstrap_sets(std::move(found));
  layer.bootstrap_cores = bootstrap_sets(std::move(cores));
  layer.agreement = mean_agreement(layer.bootstrap_committees);
}

// The figures of a summary and what each takes of a replicate's spread over layers.
constexpr std::pair<Figure Summary::*, double Spread::*> kParts[] = {
    {&Summary::max, &Spread::max}, {&Summary::min, &Spread::min}, {&Summary::mean, &Spread::mean}};
// Spread over layers of a scalar in every replicate.
std::vector<Spread> spreads(const std::vector<std::vector<Scalars>>& layers, Scalar scalar) {
  std::vector<Spread> result;
  std::vector<double> values(layers.size());
  for (size_t r = 0; r < layers.front().size(); ++r) {
    for (size_t l = 0; l < layers.size(); ++l) values[l] = layers[l][r][scalar];
    result.push_back(spread_of(values));
  }
  return result;
}

std::vector<float> part_of(const std::vector<Spread>& spreads, double Spread::*part) {
  std::vector<float> values;
  for (const Spread& spread : spreads) values.push_back(static_cast<float>(spread.*part));
  return values;
}

// Share of layers with a committee in every replicate.
std::vector<float> committee_shares(const std::vector<std::vector<Scalars>>& layers) {
  std::vector<float> shares(layers.front().size());
  for (const auto& layer : layers) {
    for (size_t r = 0; r < layer.size(); ++r) {
      shares[r] += static_cast<float>(layer[r][kSize] > 0) / static_cast<float>(layers.size());
    }
  }
  return shares;
}

}  // namespace

BootstrapSets bootstrap_sets(std::vector<std::vector<int>> of_replicates) {
  BootstrapSets result;
  std::map<std::vector<int>, int> places;
  for (auto& set : of_replicates) {
    std::sort(set.begin(), set.end());
    const auto [place, added] = places.emplace(set, static_cast<int>(result.sets.size()));
    if (added) result.sets.push_back(std::move(set));
    result.of.push_back(place->second);
  }
  return result;
}

double mean_agreement(const BootstrapSets& sets) {
  const auto total = static_cast<double>(sets.of.size());
  if (total < 2) return 1;
  std::vector<double> count(sets.sets.size());
  for (const int set : sets.of) count[set] += 1;
  double sum = 0;
  for (size_t a = 0; a < count.size(); ++a) {
    sum += count[a] * (count[a] - 1) / 2;
    for (size_t b = a + 1; b < count.size(); ++b)
      sum += count[a] * count[b] * jaccard_of(sets.sets[a], sets.sets[b]).value_or(1);
  }
  return sum / (total * (total - 1) / 2);
}

void annotate_bootstrap(LayerResult& layer, const ReplicateTable& table, ThreadPool& pool) {
  auto set = [](Figure& figure, std::span<const float> replicates, Tail, double = 0) {
    if (figure.value) figure.bootstrap = interval_of(replicates);
  };
  for (int i = 0; i < kScalars; ++i) {
    const auto scalar = static_cast<Scalar>(i);
    if (scalar == kR2Nested) continue;  // has a scheme of its own
    set(figure_of(layer, scalar), column(table.scalars, scalar), Tail::kBoth);
  }
  for_each_cell(layer, table, pool, set);
  add_inclusion(layer, table.committees);
}

void annotate_permuted(LayerResult& layer, const ReplicateTable& table, ThreadPool& pool) {
  auto set = [](Figure& figure, std::span<const float> replicates, Tail tail, double rounding = 0) {
    figure.permuted = permuted_of(figure.value, replicates, tail, rounding);
  };
  for (int i = 0; i < kScalars; ++i) {
    const auto scalar = static_cast<Scalar>(i);
    if (const auto tail = tail_of(scalar); tail && scalar != kR2Nested) {
      set(figure_of(layer, scalar), column(table.scalars, scalar), *tail);
    }
  }
  for_each_cell(layer, table, pool, set);
  if (layer.jaccard_mean.permuted)
    layer.effect = layer.jaccard_mean.permuted->mean - *layer.jaccard_mean.value;
}

void annotate_nested(LayerResult& layer, const ReplicateTable& table) {
  layer.r2_nested.permuted =
      permuted_of(layer.r2_nested.value, column(table.scalars, kR2Nested), Tail::kUpper);
}

void annotate_nested_bootstrap(LayerResult& layer, const ReplicateTable& table) {
  if (layer.r2_nested.value) layer.r2_nested.bootstrap = interval_of(column(table.scalars, kR2Nested));
}

void annotate_summaries(AuditResult& result, const std::vector<std::vector<Scalars>>& bootstrap,
                        const std::vector<std::vector<Scalars>>& permuted) {
  for (const auto& [summary, scalar] : kSummaries) {
    if (!bootstrap.empty()) {
      const auto values = spreads(bootstrap, scalar);
      for (const auto& [figure, part] : kParts) {
        Figure& target = result.*summary.*figure;
        if (target.value) target.bootstrap = interval_of(part_of(values, part));
      }
    }
    if (!permuted.empty()) {
      const auto values = spreads(permuted, scalar);
      for (const auto& [figure, part] : kParts) {
        Figure& target = result.*summary.*figure;
        target.permuted =
            permuted_of(target.value, part_of(values, part), tail_of(scalar).value_or(Tail::kBoth));
      }
    }
  }
  Figure& share = *result.layers_with_committee;
  if (!bootstrap.empty()) share.bootstrap = interval_of(committee_shares(bootstrap));
  if (!permuted.empty()) share.permuted = permuted_of(share.value, committee_shares(permuted), Tail::kLower);
}

}  // namespace committee::audit
