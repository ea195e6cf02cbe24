#include "audit/observe.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "audit/exact_sum.h"
#include "audit/geometry.h"
#include "audit/kernels.h"
#include "audit/read_ahead.h"
#include "audit/vector_store.h"

namespace committee::audit {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kWaveBytes = 8 << 20;  // samples in flight: about what a cache holds

// One layer's sums while the trace streams by.
struct LayerSums {
  std::vector<double> high, low;  // [T, E] of the contribution vectors
  std::vector<double> units;      // [G, E] of unit vectors, G groups (domains where there are none)
  std::vector<double> slots;      // [E]
  std::vector<double> unit;       // [E] scratch
  std::vector<double> dots;       // [T] scratch
  ExactSum entropy;
  double worst_sum = 0, largest_ratio = 1;
  bool zero_vector = false;

  // Makes `unit` of a vector; false for a zero vector.
  bool normalise(std::span<const double> vector) {
    const double norm = std::sqrt(kernels::dot(vector, vector.data()));
    if (!(norm > 0)) return false;
    for (size_t e = 0; e < vector.size(); ++e) unit[e] = vector[e] / norm;
    return true;
  }
};

class Observer {
 public:
  Observer(const SampleReader& reader, const Grouping& grouping, Eci eci)
      : reader_(reader),
        grouping_(grouping),
        eci_(eci),
        experts_(reader.experts()),
        domains_(grouping.domains.size()),
        fine_(grouping.groups.empty() ? grouping.domain_of : grouping.group_of),
        fine_groups_(grouping.groups.empty() ? domains_ : grouping.groups.size()),
        layers_(reader.layers()) {
    for (LayerSums& sums : layers_) {
      sums.high.resize(domains_ * experts_);
      sums.low.resize(domains_ * experts_);
      sums.units.resize(fine_groups_ * experts_);
      sums.slots.resize(experts_);
      sums.unit.resize(experts_);
      sums.dots.resize(domains_);
    }
  }

  Wanted wanted() const {
    return {.routing = true_for(VectorKind::kRouting), .executed = eci_ == Eci::kExecuted, .slots = true};
  }

  void add(int64_t sample, int layer, const SampleVectors& vectors) {
    LayerSums& sums = layers_[layer];
    const std::span contribution(pick(vectors, kind_of(eci_)), experts_);
    const size_t offset = grouping_.domain_of[sample] * experts_;
    if (eci_ == Eci::kFrequency && reader_.rows(sample) > 1) {
      for (size_t e = 0; e < experts_; ++e) {
        sums.unit[e] = contribution[e] / static_cast<double>(reader_.rows(sample));
      }
      kernels::add_exact(sums.unit, &sums.high[offset], &sums.low[offset]);
    } else {
      kernels::add_exact(contribution, &sums.high[offset], &sums.low[offset]);
    }
    kernels::add_scaled({vectors.slots, experts_}, 1, sums.slots.data());
    if (vectors.routing != nullptr) add_routing(sums, {vectors.routing, experts_});
    if (!sums.normalise({pick(vectors, geometry_kind(reader_)), experts_})) {
      sums.zero_vector = true;
      return;
    }
    kernels::add_scaled(sums.unit, 1, &sums.units[fine_[sample] * experts_]);
  }

  // The second pass: silhouettes need the sums of the first.
  void begin_silhouettes() {
    unit_sums_.resize(layers_.size());
    silhouettes_.assign(layers_.size(), std::vector<ExactSum>(domains_));
    for (size_t l = 0; l < layers_.size(); ++l) unit_sums_[l] = sums_by_domain(layers_[l]);
  }
  bool has_silhouettes() const {
    return domains_ > 1 &&
           std::any_of(layers_.begin(), layers_.end(), [](const LayerSums& s) { return !s.zero_vector; });
  }
  void add_silhouette(int64_t sample, int layer, const SampleVectors& vectors) {
    LayerSums& sums = layers_[layer];
    if (sums.zero_vector) return;
    sums.normalise({pick(vectors, geometry_kind(reader_)), experts_});
    for (size_t t = 0; t < domains_; ++t)
      sums.dots[t] = kernels::dot(sums.unit, &unit_sums_[layer][t * experts_]);
    const int32_t own = grouping_.domain_of[sample];
    silhouettes_[layer][own].add(silhouette(sums.dots, counts_, own));
  }

  LayerObservation result(int layer) const {
    const LayerSums& sums = layers_[layer];
    LayerObservation observed;
    observed.contributions.resize(domains_ * experts_);
    for (size_t i = 0; i < observed.contributions.size(); ++i) {
      observed.contributions[i] = (sums.high[i] + sums.low[i]) / static_cast<double>(counts_[i / experts_]);
    }
    observed.routing_entropy = true_for(VectorKind::kRouting) && experts_ > 1
                                   ? sums.entropy.value() / static_cast<double>(reader_.size()) /
                                         std::log(static_cast<double>(experts_))
                                   : kUndefined;
    observed.load = load_of(sums.slots);
    observed.slots = sums.slots;
    observed.executed = reader_.trace().manifest().model.top_k;
    observed.worst_sum = sums.worst_sum;
    observed.largest_ratio = sums.largest_ratio;
    observed.alignment = kUndefined;
    observed.silhouette.assign(domains_, kUndefined);
    observed.r2 = observed.r2_nested = observed.r2_nested_floor = kUndefined;
    if (!sums.zero_vector) observed.alignment = alignment(sums);
    if (sums.zero_vector || domains_ < 2) return observed;
    const int experts = static_cast<int>(experts_);
    for (size_t t = 0; t < domains_; ++t) {
      observed.silhouette[t] = silhouettes_[layer][t].value() / static_cast<double>(counts_[t]);
    }
    observed.r2 = variance_explained(sums_by_domain(sums), counts_, experts);
    if (!grouping_.groups.empty()) {
      const NestedVariance nested = nested_variance(sums.units, grouping_.group_counts(), group_domains(),
                                                    static_cast<int>(domains_), experts);
      observed.r2_nested = nested.explained;
      observed.r2_nested_floor = nested.chance;
    }
    return observed;
  }

 private:
  static void add_routing(LayerSums& sums, std::span<const double> g) {
    sums.entropy.add(kernels::entropy(g));
    double total = 0, least = g[0], most = g[0];
    for (const double p : g) {
      total += p;
      least = std::min(least, p);
      most = std::max(most, p);
    }
    sums.worst_sum = std::max(sums.worst_sum, std::abs(total - 1));
    sums.largest_ratio = std::max(sums.largest_ratio, most / least);
  }

  double alignment(const LayerSums& sums) const {
    std::vector<double> all(experts_);
    for (size_t g = 0; g < fine_groups_; ++g)
      kernels::add_scaled({&sums.units[g * experts_], experts_}, 1, all.data());
    return std::sqrt(kernels::dot(all, all.data())) / static_cast<double>(reader_.size());
  }

  // Whether vectors of this kind exist in the trace.
  bool true_for(VectorKind kind) const { return geometry_kind(reader_) == kind; }

  std::vector<int> group_domains() const {
    std::vector<int> domains;
    for (const auto& group : grouping_.groups) domains.push_back(group.domain);
    return domains;
  }

  std::vector<double> sums_by_domain(const LayerSums& sums) const {
    if (grouping_.groups.empty()) return sums.units;
    std::vector<double> result(domains_ * experts_);
    for (size_t g = 0; g < fine_groups_; ++g) {
      kernels::add_scaled({&sums.units[g * experts_], experts_}, 1,
                          &result[grouping_.groups[g].domain * experts_]);
    }
    return result;
  }

  const SampleReader& reader_;
  const Grouping& grouping_;
  Eci eci_;
  size_t experts_, domains_;
  const std::vector<int32_t>& fine_;
  size_t fine_groups_;
  std::vector<LayerSums> layers_;
  std::vector<std::vector<double>> unit_sums_;      // [L][T, E]
  std::vector<std::vector<ExactSum>> silhouettes_;  // [L][T]
  std::vector<int64_t> counts_ = grouping_.domain_counts();
};

}  // namespace

VectorKind geometry_kind(const SampleReader& reader) {
  return reader.trace().manifest().recording.record == trace::Record::kFull ? VectorKind::kRouting
                                                                            : VectorKind::kSlots;
}

VectorKind kind_of(Eci eci) {
  switch (eci) {
    case Eci::kRouting:
      return VectorKind::kRouting;
    case Eci::kExecuted:
      return VectorKind::kExecuted;
    case Eci::kFrequency:
      return VectorKind::kSlots;
  }
  return VectorKind::kRouting;
}

const double* pick(const SampleVectors& vectors, VectorKind kind) {
  switch (kind) {
    case VectorKind::kRouting:
      return vectors.routing;
    case VectorKind::kExecuted:
      return vectors.executed;
    case VectorKind::kSlots:
      return vectors.slots;
  }
  return nullptr;
}

void for_each_vector(const SampleReader& reader, Wanted wanted, LayerRange layers, ThreadPool& pool,
                     const Visit& visit, const Meanwhile& meanwhile) {
  const int64_t size = static_cast<int64_t>(layers.count) * reader.experts();
  const int64_t kinds = wanted.routing + wanted.executed + wanted.slots;
  const int64_t wave = std::clamp<int64_t>(kWaveBytes / (size * kinds * 8), 1, 4096);
  std::vector<double> buffer(std::min(wave, reader.size()) * size * kinds);
  std::vector<trace::Trace::Scratch> scratch(pool.size());
  auto vectors_of = [&](int64_t slot, int64_t offset) {
    SampleVectors vectors;
    double* at = buffer.data() + slot * size * kinds + offset;
    for (auto [want, place] :
         {std::pair{wanted.routing, &vectors.routing}, std::pair{wanted.executed, &vectors.executed},
          std::pair{wanted.slots, &vectors.slots}}) {
      if (!want) continue;
      *place = at;
      at += size;
    }
    return vectors;
  };
  ReadAhead ahead(reader);
  for (int64_t first = 0; first < reader.size(); first += wave) {
    const int64_t count = std::min(wave, reader.size() - first);
    ahead.want(first, first + count - 1);
    while (meanwhile && !ahead.ready() && meanwhile(first)) continue;
    ahead.wait();
    pool.for_each(count, [&](int64_t i, int worker) {
      reader.read(first + i, layers, vectors_of(i, 0), scratch[worker]);
    });
    pool.for_each(layers.count, [&](int64_t layer, int) {
      for (int64_t i = 0; i < count; ++i) {
        visit(first + i, static_cast<int>(layer), vectors_of(i, layer * reader.experts()));
      }
    });
    reader.drop(first, first + count);
  }
}

std::vector<LayerObservation> observe(const SampleReader& reader, const Grouping& grouping, Eci eci,
                                      ThreadPool& pool, VectorStore* store, const Meanwhile& meanwhile) {
  Observer observer(reader, grouping, eci);
  const LayerRange all{0, reader.layers()};
  for_each_vector(
      reader, observer.wanted(), all, pool,
      [&](int64_t sample, int layer, const SampleVectors& v) {
        observer.add(sample, layer, v);
        if (store != nullptr) store->put(sample, layer, v);
      },
      meanwhile);
  observer.begin_silhouettes();
  const Visit silhouettes = [&](int64_t sample, int layer, const SampleVectors& v) {
    observer.add_silhouette(sample, layer, v);
  };
  if (observer.has_silhouettes() && store != nullptr) {
    store->for_each(pool, silhouettes);
  } else if (observer.has_silhouettes()) {
    const VectorKind kind = geometry_kind(reader);
    const Wanted geometry{.routing = kind == VectorKind::kRouting, .slots = kind == VectorKind::kSlots};
    for_each_vector(reader, geometry, all, pool, silhouettes);
  }
  std::vector<LayerObservation> result;
  for (int layer = 0; layer < reader.layers(); ++layer) result.push_back(observer.result(layer));
  return result;
}

}  // namespace committee::audit
