#include "audit/silhouette_replicates.h"

#include <algorithm>
#include <cmath>

#include "audit/kernels.h"
#include "audit/replicate_kernels.h"

namespace committee::audit {
namespace {

using kernels::kLanes;
constexpr int64_t kRows = 96;  // samples a block: their products stay in the cache

}  // namespace

// kLanes replicates side by side.
struct SilhouetteReplicates::Group {
  std::vector<int32_t> sums;       // [T, pairs, kLanes] centred sums less the observed ones
  std::vector<float> base, scale;  // [T, kLanes]
};

SilhouetteReplicates::SilhouetteReplicates(const LayerPack& pack, const ResamplePlan& plan,
                                           const Grouping& grouping, ThreadPool& pool)
    : pack_(pack),
      plan_(plan),
      grouping_(grouping),
      domains_(grouping.domains.size()),
      experts_(pack.experts),
      observed_(domains_ * experts_),
      near_(pack.offset) {
  for (const Domain& domain : grouping.domains) counts_.push_back(static_cast<float>(domain.samples));
  if (plan.is_bootstrap()) set_observed(pool);
}

void SilhouetteReplicates::set_observed(ThreadPool& pool) {
  pool.for_each(static_cast<int64_t>(domains_), [&](int64_t t, int) {
    for (int64_t i = plan_.starts()[t]; i < plan_.starts()[t + 1]; ++i) {
      kernels::add_widened({&pack_.centered[i * experts_], experts_}, &observed_[t * experts_]);
    }
  });
  const int64_t samples = plan_.samples();
  near_.resize(domains_ * samples);
  pool.for_ranges(samples, kRows, [&](int64_t begin, int64_t end, int) {
    std::vector<double> row(experts_);
    for (int64_t i = begin; i < end; ++i) {
      std::copy_n(&pack_.centered[i * experts_], experts_, row.begin());
      for (size_t t = 0; t < domains_; ++t) {
        const double along = kernels::dot(row, &observed_[t * experts_]) / counts_[t];
        near_[t * samples + i] = static_cast<float>(pack_.offset[i] - along);
      }
    }
  });
}

// `sums` [T, width].
void SilhouetteReplicates::set_lane(Group& group, size_t lane, std::span<const double> sums) const {
  const size_t pairs = pairs_of(experts_), width = pack_.geometry.width();
  std::vector<double> rest(experts_);
  std::vector<int32_t> rounded(pairs);
  for (size_t t = 0; t < domains_; ++t) {
    const double* sum = &sums[t * width];
    for (size_t e = 0; e < experts_; ++e) rest[e] = sum[e] - observed_[t * experts_ + e];
    const float scale = to_pairs(rest, rounded);
    for (size_t p = 0; p < pairs; ++p) group.sums[(t * pairs + p) * kLanes + lane] = rounded[p];
    group.scale[t * kLanes + lane] = scale / counts_[t];
    group.base[t * kLanes + lane] = static_cast<float>(kernels::dot(pack_.center, sum) / counts_[t]);
  }
}

// Σ over the samples from `first` on of copies · silhouette [T, kLanes].
std::vector<double> SilhouetteReplicates::block_sums(const Group& group, int64_t index, const Drawn& drawn,
                                                     int64_t first, std::vector<int32_t>& products) const {
  const int64_t samples = plan_.samples(),
                in_lanes = (index * samples + first) * static_cast<int64_t>(kLanes);
  const auto rows = static_cast<size_t>(std::min(kRows, samples - first));
  const size_t pairs = pairs_of(experts_);
  const bool bootstrap = plan_.is_bootstrap();
  products.resize(domains_ * kRows * kLanes);
  kernels::multiply_pairs(&pack_.pairs[first * pairs], rows, pairs, group.sums.data(), domains_,
                          products.data());
  std::vector<float> sums(domains_ * kLanes);
  kernels::add_silhouettes({.rows = rows,
                            .domains = domains_,
                            .products = products.data(),
                            .row_scale = &pack_.pairs_scale[first],
                            .near = &near_[first],
                            .near_stride = bootstrap ? static_cast<size_t>(samples) : 0,
                            .base = group.base.data(),
                            .scale = group.scale.data(),
                            .counts = counts_.data(),
                            .own = bootstrap ? &grouping_.domain_of[first] : nullptr,
                            .labels = bootstrap ? nullptr : &drawn.lane_labels[in_lanes],
                            .copies = bootstrap ? &drawn.lane_times[in_lanes] : nullptr},
                           sums.data());
  return {sums.begin(), sums.end()};
}

std::vector<double> SilhouetteReplicates::means(const Drawn& drawn, std::span<const double> geometry,
                                                ThreadPool& pool) const {
  const int64_t blocks = (plan_.samples() + kRows - 1) / kRows;
  const auto lanes = static_cast<int64_t>(kLanes);
  const size_t size = geometry.size() / drawn.count;
  std::vector<Group> groups((drawn.in_lanes + lanes - 1) / lanes);
  for (Group& group : groups) {
    group.sums.resize(domains_ * pairs_of(experts_) * kLanes);
    group.base.resize(domains_ * kLanes);
    group.scale.resize(domains_ * kLanes);
  }
  pool.for_each(drawn.in_lanes, [&](int64_t r, int) {
    set_lane(groups[r / lanes], r % lanes, geometry.subspan(r * size, size));
  });
  std::vector<std::vector<double>> parts(groups.size() * blocks);
  std::vector<std::vector<int32_t>> products(pool.size());
  pool.for_each(static_cast<int64_t>(parts.size()), [&](int64_t item, int worker) {
    const int64_t group = item / blocks;
    parts[item] = block_sums(groups[group], group, drawn, item % blocks * kRows, products[worker]);
  });
  std::vector<double> means(drawn.in_lanes * domains_);
  pool.for_each(drawn.in_lanes, [&](int64_t r, int) {
    for (size_t t = 0; t < domains_; ++t) {
      double& mean = means[r * domains_ + t];
      for (int64_t block = 0; block < blocks; ++block)
        mean += parts[r / lanes * blocks + block][t * kLanes + r % lanes];
      mean /= counts_[t];
    }
  });
  return means;
}

}  // namespace committee::audit
