#include "audit/replicates.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "audit/concentration.h"
#include "audit/silhouette_replicates.h"

namespace committee::audit {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
constexpr int kChunk = 64;                            // replicates summed together
constexpr int64_t kLargestChunk = int64_t{64} << 20;  // bytes of lists drawn together

// Σ over segments of |sum|²/count, and |Σ sums|²/N, of rows of `width` of which `experts` count.
struct SegmentSquares {
  double segments = 0, all = 0;
};
SegmentSquares squares_of(std::span<const double> sums, std::span<const int64_t> starts, int experts,
                          int width) {
  SegmentSquares squares;
  std::vector<double> all(experts);
  for (size_t s = 0; s + 1 < starts.size(); ++s) {
    const double* sum = &sums[s * width];
    double square = 0;
    for (int e = 0; e < experts; ++e) {
      square += sum[e] * sum[e];
      all[e] += sum[e];
    }
    squares.segments += square / static_cast<double>(starts[s + 1] - starts[s]);
  }
  for (const double x : all) squares.all += x * x;
  squares.all /= static_cast<double>(starts.back());
  return squares;
}

class Replicator {
 public:
  Replicator(const LayerPack& pack, const ResamplePlan& plan, const Grouping& grouping,
             const ReplicateRequest& request)
      : pack_(pack), plan_(plan), grouping_(grouping), request_(request) {
    table_.replicates = plan.replicates();
    table_.scalars.resize(plan.replicates());
    for (Scalars& scalars : table_.scalars) scalars.fill(kUndefined);
    if (nested()) {
      set_domain_starts();
      return;
    }
    const size_t domains = grouping.domains.size(), r = plan.replicates(), experts = pack.experts;
    table_.contributions.resize(domains * experts * r);
    for (auto* cells : {&table_.global, &table_.presence, &table_.avg_rank, &table_.rank_variance}) {
      cells->resize(experts * r);
    }
    table_.pairs.resize(domains * (domains - 1) / 2 * r);
    if (bootstrap()) table_.committees.resize(r);
  }

  void add_chunk(const Drawn& drawn, int first, ThreadPool& pool) {
    const int count = drawn.count;
    auto sums_of = [&](const TileMatrix& matrix) {
      return plan_.is_bootstrap() ? matrix.weighted_sums(drawn.times, count, plan_.starts(), pool)
                                  : matrix.segment_sums(drawn.lists, count, plan_.starts(), pool);
    };
    std::vector<double> contributions, geometry, slots;
    if (!nested()) contributions = sums_of(pack_.contributions);
    if (pack_.has_geometry) geometry = sums_of(pack_.geometry);
    if (bootstrap() && (pack_.has_slots || pack_.has_entropy)) slots = sums_of(pack_.slots);
    auto part = [&](const std::vector<double>& sums, int64_t i) {
      const size_t size = sums.size() / count;
      return std::span(sums).subspan(i * size, size);
    };
    pool.for_each(count, [&](int64_t i, int) {
      const int replicate = first + static_cast<int>(i);
      if (!nested()) add_contributions(replicate, part(contributions, i));
      if (!geometry.empty()) add_variance(replicate, part(geometry, i));
      if (!slots.empty()) add_load(replicate, part(slots, i));
    });
    if (nested() || geometry.empty() || grouping_.domains.size() < 2) return;
    const int wanted = std::min(count, request_.silhouettes - first);
    if (wanted > 0) add_silhouettes(drawn.part(0, wanted, plan_.samples()), geometry, first, pool);
  }

  ReplicateTable take() { return std::move(table_); }

 private:
  bool bootstrap() const { return plan_.scheme() == Scheme::kBootstrap; }
  bool nested() const {
    return plan_.scheme() == Scheme::kNested || plan_.scheme() == Scheme::kNestedBootstrap;
  }
  void put(std::vector<float>& cells, size_t index, int replicate, double value) const {
    cells[index * table_.replicates + replicate] = static_cast<float>(value);
  }

  void add_contributions(int replicate, std::span<const double> sums) {
    const size_t domains = grouping_.domains.size(), experts = pack_.experts,
                 width = pack_.contributions.width();
    std::vector<double> contributions(domains * experts);
    for (size_t t = 0; t < domains; ++t) {
      for (size_t e = 0; e < experts; ++e) {
        const double c = sums[t * width + e] / static_cast<double>(grouping_.domains[t].samples);
        contributions[t * experts + e] = c;
        put(table_.contributions, t * experts + e, replicate, c);
      }
    }
    LayerFigures figures = layer_figures(contributions, request_.rules, request_.specific);
    table_.scalars[replicate] = figures.scalars;
    const auto specific = static_cast<int64_t>(request_.specific.size());
    for (size_t e = 0; e < experts; ++e) {
      const RankTally& tally = figures.tallies[e];
      put(table_.global, e, replicate, figures.global[e]);
      put(table_.presence, e, replicate, static_cast<double>(tally.present) / static_cast<double>(specific));
      put(table_.avg_rank, e, replicate, tally.mean(specific));
      put(table_.rank_variance, e, replicate, tally.variance(specific));
    }
    for (size_t p = 0; p < figures.pairs.size(); ++p) put(table_.pairs, p, replicate, figures.pairs[p]);
    if (bootstrap()) table_.committees[replicate] = std::move(figures.committee);
  }

  void add_variance(int replicate, std::span<const double> sums) {
    const int experts = pack_.experts, width = pack_.geometry.width();
    if (grouping_.domains.size() < 2) return;
    double total = 0;
    for (size_t s = 0; s + 1 < plan_.starts().size(); ++s) total += sums[s * width + experts];
    const auto squares = squares_of(sums, plan_.starts(), experts, width);
    total -= squares.all;
    if (!(total > 0)) return;
    Scalars& scalars = table_.scalars[replicate];
    if (!nested()) {
      scalars[kR2] = std::max(0.0, (squares.segments - squares.all) / total);
      return;
    }
    std::vector<double> by_domain(grouping_.domains.size() * width);
    for (size_t g = 0; g < grouping_.groups.size(); ++g) {
      for (int e = 0; e < experts; ++e)
        by_domain[grouping_.groups[g].domain * width + e] += sums[g * width + e];
    }
    const auto domains = squares_of(by_domain, domain_starts_, experts, width);
    scalars[kR2Nested] = std::max(0.0, (squares.segments - domains.segments) / total);
  }

  void add_load(int replicate, std::span<const double> sums) {
    const int experts = pack_.experts, width = pack_.slots.width();
    std::vector<double> pooled(experts + 1);
    for (size_t t = 0; t < grouping_.domains.size(); ++t) {
      for (int e = 0; e <= experts; ++e) pooled[e] += sums[t * width + e];
    }
    Scalars& scalars = table_.scalars[replicate];
    if (pack_.has_slots) {
      const Load load = load_of(std::span(pooled).first(experts));
      scalars[kLoadEntropy] = load.load_entropy;
      scalars[kEffectiveExperts] = load.effective_experts;
      scalars[kMaxOverMean] = load.max_over_mean;
      scalars[kUnused] = load.unused;
    }
    if (pack_.has_entropy && experts > 1) {
      scalars[kRoutingEntropy] = pooled[experts] / static_cast<double>(plan_.samples()) / std::log(experts);
    }
  }

  void add_silhouettes(const Drawn& drawn, std::span<const double> geometry, int first, ThreadPool& pool) {
    const size_t domains = grouping_.domains.size();
    const auto values = replicate_silhouettes(pack_, plan_, grouping_, drawn, geometry, pool);
    const int total = std::min(request_.silhouettes, table_.replicates);
    table_.silhouettes = total;
    table_.silhouette.resize(domains * total);
    for (int r = 0; r < drawn.count; ++r) {
      for (size_t t = 0; t < domains; ++t) {
        table_.silhouette[t * total + first + r] = static_cast<float>(values[r * domains + t]);
      }
    }
  }

  void set_domain_starts() {
    domain_starts_ = {0};
    for (const Domain& domain : grouping_.domains)
      domain_starts_.push_back(domain_starts_.back() + domain.samples);
  }

  const LayerPack& pack_;
  const ResamplePlan& plan_;
  const Grouping& grouping_;
  const ReplicateRequest& request_;
  std::vector<int64_t> domain_starts_;
  ReplicateTable table_;
};

}  // namespace

Draws::Draws(ResamplePlan plan, int64_t budget, ThreadPool& pool) : plan_(std::move(plan)) {
  const int64_t bytes = std::max<int64_t>(1, plan_.samples()) * 4;
  chunk_ = static_cast<int>(std::clamp<int64_t>(kLargestChunk / bytes, 1, kChunk));
  kept_ = bytes * plan_.replicates() <= budget;
  if (kept_) fill(0, plan_.replicates(), pool);
}

void Draws::fill(int first, int count, ThreadPool& pool) {
  if (plan_.is_bootstrap()) {
    times_.resize(count * plan_.samples());
    plan_.draw_times(first, count, times_, pool);
  } else {
    lists_.resize(count * plan_.samples());
    plan_.draw(first, count, lists_, pool);
  }
}

Drawn Draws::draw(int first, int count, ThreadPool& pool) {
  if (!kept_) fill(first, count, pool);
  return Drawn{count, times_, lists_}.part(kept_ ? first : 0, count, plan_.samples());
}

Drawn Drawn::part(int first, int of, int64_t samples) const {
  auto cut = [&](auto all) { return all.empty() ? all : all.subspan(first * samples, of * samples); };
  return {of, cut(times), cut(lists)};
}

ReplicateTable replicate(const LayerPack& pack, Draws& draws, const Grouping& grouping,
                         const ReplicateRequest& request, ThreadPool& pool) {
  Replicator replicator(pack, draws.plan(), grouping, request);
  for (int first = 0; first < draws.plan().replicates(); first += draws.chunk()) {
    const int count = std::min(draws.chunk(), draws.plan().replicates() - first);
    replicator.add_chunk(draws.draw(first, count, pool), first, pool);
  }
  return replicator.take();
}

}  // namespace committee::audit
