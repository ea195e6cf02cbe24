#include "audit/replicates.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "audit/concentration.h"
#include "audit/replicate_kernels.h"
#include "audit/silhouette_replicates.h"

namespace committee::audit {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
constexpr int kChunk = 96;                            // replicates summed together, a multiple of kLanes
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
  Replicator(const LayerPack& pack, const Draws& draws, const Grouping& grouping,
             const ReplicateRequest& request)
      : pack_(pack),
        plan_(draws.plan()),
        in_lanes_(draws.in_lanes()),
        grouping_(grouping),
        request_(request) {
    table_.replicates = plan_.replicates();
    table_.scalars.resize(plan_.replicates());
    for (Scalars& scalars : table_.scalars) scalars.fill(kUndefined);
    if (nested()) {
      set_domain_starts();
      return;
    }
    const size_t domains = grouping.domains.size(), r = plan_.replicates(), experts = pack.experts;
    table_.contributions.resize(domains * experts * r);
    for (auto* cells : {&table_.global, &table_.presence, &table_.avg_rank, &table_.rank_variance}) {
      cells->resize(experts * r);
    }
    table_.pairs.resize(domains * (domains - 1) / 2 * r);
    if (bootstrap()) table_.committees.resize(r);
  }

  void add_chunk(const Drawn& drawn, int first, ThreadPool& pool) {
    const int count = drawn.count;
    const RowRange all{0, plan_.samples()};
    auto sums_of = [&](const TileMatrix& matrix, std::span<const RowRange> blocks) {
      std::vector<double> sums(int64_t{count} * plan_.segments() * matrix.width());
      for (const RowRange& block : blocks) add_sums(matrix, drawn, plan_, block, pool, sums);
      return sums;
    };
    std::vector<double> contributions, geometry, slots, extras;
    if (request_.sums == nullptr && !nested()) contributions = sums_of(pack_.contributions, request_.blocks);
    if (request_.sums == nullptr && bootstrap() && pack_.has_slots)
      slots = sums_of(pack_.slots, request_.blocks);
    if (pack_.has_geometry) geometry = sums_of(pack_.geometry, {&all, 1});
    if (plan_.is_bootstrap()) extras = sums_of(pack_.extras, {&all, 1});
    auto part = [&](const std::vector<double>& sums, int64_t i) {
      const size_t size = sums.size() / count;
      return std::span(sums).subspan(i * size, size);
    };
    auto known = [&](const std::vector<double>& sums, int64_t replicate) {
      const size_t size = sums.size() / plan_.replicates();
      return std::span(sums).subspan(replicate * size, size);
    };
    pool.for_each(count, [&](int64_t i, int) {
      const int replicate = first + static_cast<int>(i);
      if (!nested()) {
        add_contributions(replicate, request_.sums != nullptr ? known(request_.sums->contributions, replicate)
                                                              : part(contributions, i));
      }
      if (!geometry.empty()) add_variance(replicate, part(geometry, i), part(extras, i));
      if (bootstrap() && pack_.has_slots) {
        add_load(replicate,
                 request_.sums != nullptr ? known(request_.sums->slots, replicate) : part(slots, i));
      }
      if (bootstrap() && pack_.has_entropy && pack_.experts > 1) {
        table_.scalars[replicate][kRoutingEntropy] = extra(part(extras, i), LayerPack::kEntropy) /
                                                     static_cast<double>(plan_.samples()) /
                                                     std::log(pack_.experts);
      }
    });
    if (!geometry.empty() && grouping_.domains.size() > 1 && drawn.in_lanes > 0) {
      add_silhouettes(drawn, geometry, first, pool);
    }
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

  // Σ over the samples of one of the pack's extra columns.
  double extra(std::span<const double> sums, LayerPack::Extra column) const {
    double total = 0;
    for (size_t at = column; at < sums.size(); at += pack_.extras.width()) total += sums[at];
    return total;
  }

  // Without extras every sample counts once.
  void add_variance(int replicate, std::span<const double> sums, std::span<const double> extras) {
    const int experts = pack_.experts, width = pack_.geometry.width();
    if (grouping_.domains.size() < 2) return;
    double total = extras.empty() ? pack_.total_square : extra(extras, LayerPack::kSquare);
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
    std::vector<double> pooled(experts);
    for (size_t t = 0; t < grouping_.domains.size(); ++t) {
      for (int e = 0; e < experts; ++e) pooled[e] += sums[t * width + e];
    }
    Scalars& scalars = table_.scalars[replicate];
    const Load load = load_of(pooled);
    scalars[kLoadEntropy] = load.load_entropy;
    scalars[kEffectiveExperts] = load.effective_experts;
    scalars[kMaxOverMean] = load.max_over_mean;
    scalars[kUnused] = load.unused;
  }

  void add_silhouettes(const Drawn& drawn, std::span<const double> geometry, int first, ThreadPool& pool) {
    const size_t domains = grouping_.domains.size();
    if (!silhouettes_) silhouettes_.emplace(pack_, plan_, grouping_, pool);
    const auto values = silhouettes_->means(drawn, geometry, pool);
    table_.silhouettes = in_lanes_;
    table_.silhouette.resize(domains * in_lanes_);
    for (int r = 0; r < drawn.in_lanes; ++r) {
      for (size_t t = 0; t < domains; ++t) {
        table_.silhouette[t * in_lanes_ + first + r] = static_cast<float>(values[r * domains + t]);
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
  int in_lanes_;
  const Grouping& grouping_;
  const ReplicateRequest& request_;
  std::vector<int64_t> domain_starts_;
  std::optional<SilhouetteReplicates> silhouettes_;
  ReplicateTable table_;
};

}  // namespace

Draws::Draws(ResamplePlan plan, int in_lanes, int64_t budget, ThreadPool& pool)
    : plan_(std::move(plan)), in_lanes_(std::min(in_lanes, plan_.replicates())) {
  const int64_t bytes = std::max<int64_t>(1, plan_.samples()) * 4;
  constexpr auto kLanes = static_cast<int64_t>(kernels::kLanes);
  chunk_ = static_cast<int>(std::clamp<int64_t>(kLargestChunk / bytes, 1, kChunk));
  if (chunk_ > kLanes) chunk_ -= static_cast<int>(chunk_ % kLanes);
  std::vector<int32_t> list(plan_.samples());
  plan_.draw(0, 1, list, pool);
  chunk_rows_ = SegmentRows::chunk_rows_for(list, plan_.starts());
  // Lanes of several chunks are kept only where a chunk begins with a group of them.
  kept_ = bytes * (plan_.replicates() + in_lanes_) <= budget &&
          (chunk_ % kLanes == 0 || chunk_ >= plan_.replicates());
  if (kept_) fill(0, plan_.replicates(), pool);
}

void Draws::fill(int first, int count, ThreadPool& pool) {
  if (plan_.is_bootstrap()) {
    times_.resize(count * plan_.samples());
    plan_.draw_times(first, count, times_, pool);
    fill_lanes(lanes_of(first, count), {}, pool);
    return;
  }
  std::vector<int32_t> lists(count * plan_.samples());
  plan_.draw(first, count, lists, pool);
  rows_ = SegmentRows(lists, count, plan_.starts(), chunk_rows_, pool);
  fill_lanes(lanes_of(first, count), lists, pool);
}

// Of the first `count` that were drawn.
void Draws::fill_lanes(int count, std::span<const int32_t> lists, ThreadPool& pool) {
  constexpr auto kLanes = static_cast<int64_t>(kernels::kLanes);
  const int64_t samples = plan_.samples(), size = (count + kLanes - 1) / kLanes * samples * kLanes;
  const auto lane_of = [&](int64_t r) { return r / kLanes * samples * kLanes + r % kLanes; };
  if (plan_.is_bootstrap()) {
    lane_times_.resize(size);
    pool.for_each(count, [&](int64_t r, int) {
      for (int64_t i = 0; i < samples; ++i) lane_times_[lane_of(r) + i * kLanes] = times_[r * samples + i];
    });
    return;
  }
  lane_labels_.resize(size);
  pool.for_each(count, [&](int64_t r, int) {
    for (int s = 0; s < plan_.segments(); ++s) {
      for (int64_t i = plan_.starts()[s]; i < plan_.starts()[s + 1]; ++i) {
        lane_labels_[lane_of(r) + lists[r * samples + i] * kLanes] = s;
      }
    }
  });
}

Drawn Draws::draw(int first, int count, ThreadPool& pool) {
  if (!kept_) fill(first, count, pool);
  const int64_t samples = plan_.samples(), skipped = kept_ ? first * samples : 0;
  auto cut = [&](const auto& all, int64_t size) {
    return all.empty() ? std::span(all) : std::span(all).subspan(skipped, size);
  };
  constexpr auto kLanes = static_cast<int64_t>(kernels::kLanes);
  const int in_lanes = lanes_of(first, count);
  const int64_t size = count * samples, lanes = (in_lanes + kLanes - 1) / kLanes * samples * kLanes;
  return {.count = count,
          .times = cut(times_, size),
          .rows = &rows_,
          .first = kept_ ? first : 0,
          .in_lanes = in_lanes,
          .lane_times = in_lanes > 0 ? cut(lane_times_, lanes) : std::span<const float>(),
          .lane_labels = in_lanes > 0 ? cut(lane_labels_, lanes) : std::span<const int32_t>()};
}

void add_sums(const TileMatrix& matrix, const Drawn& drawn, const ResamplePlan& plan, RowRange rows,
              ThreadPool& pool, std::span<double> sums) {
  if (plan.is_bootstrap()) {
    matrix.add_weighted_sums(drawn.times, drawn.count, plan.starts(), rows, pool, sums);
  } else {
    matrix.add_segment_sums(*drawn.rows, drawn.first, drawn.count, rows, pool, sums);
  }
}

ReplicateTable replicate(const LayerPack& pack, Draws& draws, const Grouping& grouping,
                         const ReplicateRequest& request, ThreadPool& pool) {
  Replicator replicator(pack, draws, grouping, request);
  for (int first = 0; first < draws.plan().replicates(); first += draws.chunk()) {
    const int count = std::min(draws.chunk(), draws.plan().replicates() - first);
    replicator.add_chunk(draws.draw(first, count, pool), first, pool);
  }
  return replicator.take();
}

}  // namespace committee::audit
