#include "audit/silhouette_replicates.h"

#include <algorithm>

#include "audit/kernels.h"

namespace committee::audit {
namespace {

using kernels::kLanes;
constexpr int64_t kRows = 96;  // samples a block: their products stay in the cache

// kLanes replicates side by side.
class LaneBlock {
 public:
  LaneBlock(const LayerPack& pack, const ResamplePlan& plan, const Grouping& grouping, const Drawn& drawn,
            std::span<const double> geometry, ThreadPool& pool)
      : pack_(pack),
        grouping_(grouping),
        domains_(grouping.domains.size()),
        experts_(pack.experts),
        samples_(plan.samples()),
        lanes_(drawn.count),
        sums_(domains_ * experts_ * kLanes),
        base_(domains_ * kLanes),
        labels_(samples_ * kLanes),
        copies_(samples_ * kLanes) {
    for (const Domain& domain : grouping.domains) counts_.push_back(static_cast<float>(domain.samples));
    set_sums(geometry);
    pool.for_ranges(samples_, 2048,
                    [&](int64_t begin, int64_t end, int) { set_labels(plan, drawn, begin, end); });
  }

  // Σ over samples of copies · silhouette, by lane and domain [kLanes, T].
  std::vector<double> run(ThreadPool& pool) const {
    const int64_t blocks = (samples_ + kRows - 1) / kRows;
    std::vector<std::vector<double>> parts(blocks);
    pool.for_each(blocks, [&](int64_t block, int) { parts[block] = run_block(block * kRows); });
    std::vector<double> total(kLanes * domains_);
    for (const auto& part : parts) {
      for (size_t i = 0; i < total.size(); ++i) total[i] += part[i];
    }
    return total;
  }

 private:
  void set_sums(std::span<const double> geometry) {
    const size_t width = pack_.geometry.width();
    for (size_t lane = 0; lane < lanes_; ++lane) {
      for (size_t t = 0; t < domains_; ++t) {
        const double* sum = &geometry[(lane * domains_ + t) * width];
        double along = 0;
        for (size_t e = 0; e < experts_; ++e) {
          sums_[(t * experts_ + e) * kLanes + lane] = static_cast<float>(sum[e]);
          along += sum[e] * pack_.center[e];
        }
        base_[t * kLanes + lane] = static_cast<float>(along / counts_[t]);
      }
    }
  }

  // Of the samples [begin, end).
  void set_labels(const ResamplePlan& plan, const Drawn& drawn, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (size_t lane = 0; lane < lanes_; ++lane) {
        labels_[i * kLanes + lane] = grouping_.domain_of[i];
        copies_[i * kLanes + lane] = plan.is_bootstrap() ? drawn.times[lane * samples_ + i] : 1;
      }
    }
    if (plan.is_bootstrap()) return;
    for (size_t lane = 0; lane < lanes_; ++lane) {
      const auto list = drawn.lists.begin() + static_cast<int64_t>(lane) * samples_;
      for (size_t t = 0; t < domains_; ++t) {
        const auto last = list + plan.starts()[t + 1];
        for (auto at = std::lower_bound(list + plan.starts()[t], last, begin); at != last && *at < end;
             ++at) {
          labels_[*at * kLanes + lane] = static_cast<int32_t>(t);
        }
      }
    }
  }

  std::vector<double> run_block(int64_t first) const {
    const auto rows = static_cast<size_t>(std::min(kRows, samples_ - first));
    std::vector<float> products(domains_ * rows * kLanes), values(rows * kLanes);
    for (size_t t = 0; t < domains_; ++t) {
      kernels::multiply(&pack_.centered[first * experts_], rows, experts_, &sums_[t * experts_ * kLanes],
                        kLanes, &products[t * rows * kLanes]);
    }
    kernels::silhouettes({.rows = rows,
                          .domains = domains_,
                          .products = products.data(),
                          .offset = &pack_.offset[first],
                          .base = base_.data(),
                          .counts = counts_.data(),
                          .labels = &labels_[first * kLanes],
                          .copies = &copies_[first * kLanes]},
                         values.data());
    std::vector<double> sums(kLanes * domains_);
    for (size_t i = 0; i < rows; ++i) {
      for (size_t lane = 0; lane < lanes_; ++lane) {
        const size_t at = (first + i) * kLanes + lane;
        sums[lane * domains_ + labels_[at]] += static_cast<double>(copies_[at]) * values[i * kLanes + lane];
      }
    }
    return sums;
  }

  const LayerPack& pack_;
  const Grouping& grouping_;
  size_t domains_, experts_;
  int64_t samples_;
  size_t lanes_;
  std::vector<float> sums_;  // [T, E, kLanes] centred sums
  std::vector<float> base_;  // [T, kLanes]
  std::vector<float> counts_;
  std::vector<int32_t> labels_;
  std::vector<float> copies_;
};

}  // namespace

std::vector<double> replicate_silhouettes(const LayerPack& pack, const ResamplePlan& plan,
                                          const Grouping& grouping, const Drawn& drawn,
                                          std::span<const double> geometry, ThreadPool& pool) {
  const int count = drawn.count;
  const size_t domains = grouping.domains.size(), size = domains * pack.geometry.width();
  std::vector<double> means(count * domains);
  for (int first = 0; first < count; first += static_cast<int>(kLanes)) {
    const size_t lanes = std::min<size_t>(kLanes, count - first);
    const LaneBlock block(pack, plan, grouping, drawn.part(first, static_cast<int>(lanes), plan.samples()),
                          geometry.subspan(first * size, lanes * size), pool);
    const auto totals = block.run(pool);
    for (size_t i = 0; i < lanes * domains; ++i) {
      means[first * domains + i] = totals[i] / static_cast<double>(grouping.domains[i % domains].samples);
    }
  }
  return means;
}

}  // namespace committee::audit
