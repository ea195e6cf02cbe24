#include "audit/shuffle.h"

#include <algorithm>
#include <numeric>

#include "audit/percentile.h"
#include "audit/replicate_kernels.h"
#include "base/random.h"

namespace committee::audit {
namespace {

constexpr int kEpoch = 250;       // replicates that share a sample's permutation
constexpr int kSideBySide = 25;   // replicates that one thread adds up
constexpr int64_t kBlock = 512;   // samples permuted together
constexpr int64_t kInCache = 32;  // of them, while one thread's replicates pass: what is summed in float32
constexpr uint64_t kStream = 3;   // apart from the schemes of resample_plan.h

Figure distribution(std::vector<float> values) {
  Figure figure{.bootstrap = interval_of(values)};
  if (!figure.bootstrap) return figure;
  std::erase_if(values, [](float x) { return x != x; });
  figure.value = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  return figure;
}

}  // namespace

// Some samples' rows of one epoch.
struct ExpertShuffle::Rows {
  std::vector<float> doubled;   // [kBlock, 2E] permuted, twice side by side
  std::vector<int32_t> shifts;  // [count, kBlock]
};

ExpertShuffle::ExpertShuffle(const SortedGrouping& sorted, const Rules& rules, int replicates, int layer,
                             uint64_t seed)
    : sorted_(sorted),
      rules_(rules),
      replicates_(replicates),
      layer_(layer),
      seed_(seed),
      experts_(rules.experts),
      domains_(sorted.grouping.domains.size()),
      sums_(replicates * domains_ * experts_) {}

int64_t ExpertShuffle::bytes(const SortedGrouping& sorted, const Rules& rules, int replicates) {
  return int64_t{replicates} * std::ssize(sorted.grouping.domains) * rules.experts * int64_t{sizeof(double)};
}

void ExpertShuffle::add(const TileMatrix& contributions, RowRange block, ThreadPool& pool) {
  Rows rows{std::vector<float>(kBlock * 2 * experts_), std::vector<int32_t>(kBlock * kEpoch)};
  for (int first = 0; first < replicates_; first += kEpoch) {
    const int count = std::min(kEpoch, replicates_ - first);
    for (int64_t begin = block.begin; begin < block.end; begin += kBlock) {
      const int64_t size = std::min(kBlock, block.end - begin);
      pool.for_ranges(size, 32, [&](int64_t from, int64_t to, int) {
        for (int64_t i = from; i < to; ++i) permute(contributions, begin + i, i, first / kEpoch, count, rows);
      });
      pool.for_ranges(count, kSideBySide, [&](int64_t from, int64_t to, int) {
        for (int64_t part = 0; part < size; part += kInCache) {
          add_part(rows, begin, {part, std::min(part + kInCache, size)}, first, {from, to});
        }
      });
    }
  }
}

// The sample at `place` into a slot of `rows`.
void ExpertShuffle::permute(const TileMatrix& contributions, int64_t place, int64_t slot, int epoch,
                            int count, Rows& rows) const {
  Random random(seed_, kStream << 60 | static_cast<uint64_t>(epoch) << 48 |
                           static_cast<uint64_t>(layer_) << 36 | static_cast<uint64_t>(sorted_.order[place]));
  const auto row = std::span(rows.doubled).subspan(slot * 2 * experts_, 2 * experts_);
  contributions.get_row(place, row.first(experts_));
  random.shuffle(row.first(experts_));
  std::copy_n(row.begin(), experts_, row.begin() + static_cast<std::ptrdiff_t>(experts_));
  for (int r = 0; r < count; ++r) {
    rows.shifts[r * kBlock + slot] = static_cast<int32_t>(random.below(experts_));
  }
}

// Some slots of the rows from place `begin` on to the sums of some replicates of the epoch that begins with
// `first`, run by run of a domain.
void ExpertShuffle::add_part(const Rows& rows, int64_t begin, RowRange slots, int first,
                             RowRange replicates) {
  const auto domain_at = [&](int64_t slot) { return sorted_.grouping.domain_of[begin + slot]; };
  for (int64_t run = slots.begin, next = slots.begin; run < slots.end; run = next) {
    const int32_t domain = domain_at(run);
    while (next < slots.end && domain_at(next) == domain) ++next;
    for (int64_t r = replicates.begin; r < replicates.end; ++r) {
      kernels::add_shifted_rows(&rows.doubled[run * 2 * experts_], experts_,
                                std::span(rows.shifts).subspan(r * kBlock + run, next - run),
                                &sums_[((first + r) * domains_ + domain) * experts_]);
    }
  }
}

ShuffleBaseline ExpertShuffle::baseline(std::span<const int> specific, ThreadPool& pool) {
  for (size_t i = 0; i < sums_.size(); ++i) {
    sums_[i] /= static_cast<double>(sorted_.grouping.domains[i / experts_ % domains_].samples);
  }
  std::vector<Scalars> scalars(replicates_);
  const size_t size = domains_ * experts_;
  pool.for_each(replicates_, [&](int64_t r, int) {
    scalars[r] = layer_figures(std::span(sums_).subspan(r * size, size), rules_, specific).scalars;
  });
  auto column = [&](Scalar scalar) {
    std::vector<float> values;
    for (const Scalars& s : scalars) values.push_back(static_cast<float>(s[scalar]));
    return values;
  };
  ShuffleBaseline baseline;
  const auto sizes = column(kSize);
  baseline.committee_rate =
      static_cast<double>(std::count_if(sizes.begin(), sizes.end(), [](float s) { return s > 0; })) /
      static_cast<double>(replicates_);
  baseline.size = distribution(sizes);
  baseline.core_size = distribution(column(kCoreSize));
  baseline.coverage_topk = distribution(column(kCoverageTopk));
  baseline.jaccard_mean = distribution(column(kJaccardMean));
  return baseline;
}

}  // namespace committee::audit
