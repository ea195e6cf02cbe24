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

class Epoch {
 public:
  Epoch(const ShuffleInput& input, int index, int count)
      : input_(input),
        index_(index),
        count_(count),
        experts_(input.rules.experts),
        domains_(input.grouping.domains.size()),
        rows_(kBlock * 2 * experts_),
        shifts_(kBlock * count),
        sums_(count * domains_ * experts_) {}

  // Contributions [count, T, E].
  std::vector<double> run(ThreadPool& pool) {
    const auto samples = static_cast<int64_t>(input_.scale.size());
    for (int64_t first = 0; first < samples; first += kBlock) {
      const int64_t size = std::min(kBlock, samples - first);
      pool.for_ranges(size, 32, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) permute(input_.order[first + i], i);
      });
      pool.for_ranges(count_, kSideBySide, [&](int64_t begin, int64_t end, int) {
        for (int64_t part = 0; part < size; part += kInCache) {
          add_part(first, part, std::min(part + kInCache, size), begin, end);
        }
      });
    }
    for (size_t i = 0; i < sums_.size(); ++i) {
      sums_[i] /= static_cast<double>(input_.grouping.domains[i / experts_ % domains_].samples);
    }
    return std::move(sums_);
  }

 private:
  void permute(int64_t sample, int64_t slot) {
    Random random(input_.seed, kStream << 60 | static_cast<uint64_t>(index_) << 48 |
                                   static_cast<uint64_t>(input_.layer) << 36 | static_cast<uint64_t>(sample));
    float* row = &rows_[slot * 2 * experts_];
    for (size_t e = 0; e < experts_; ++e)
      row[e] = input_.vectors[sample * experts_ + e] * input_.scale[sample];
    random.shuffle(std::span(row, experts_));
    std::copy_n(row, experts_, row + experts_);
    for (int r = 0; r < count_; ++r) {
      shifts_[r * kBlock + slot] = static_cast<int32_t>(random.below(experts_));
    }
  }

  // Slots [part, end) of the block from place `first` on to the sums of some replicates, run by run of a
  // domain.
  void add_part(int64_t first, int64_t part, int64_t end, int64_t replicate, int64_t last) {
    for (int64_t run = part, next = part; run < end; run = next) {
      const int32_t domain = domain_at(first + run);
      while (next < end && domain_at(first + next) == domain) ++next;
      for (int64_t r = replicate; r < last; ++r) {
        kernels::add_shifted_rows(&rows_[run * 2 * experts_], experts_,
                                  std::span(shifts_).subspan(r * kBlock + run, next - run),
                                  &sums_[(r * domains_ + domain) * experts_]);
      }
    }
  }

  int32_t domain_at(int64_t place) const { return input_.grouping.domain_of[place]; }

  const ShuffleInput& input_;
  int index_, count_;
  size_t experts_, domains_;
  std::vector<float> rows_;      // [kBlock, 2E] permuted, doubled
  std::vector<int32_t> shifts_;  // [count, kBlock]
  std::vector<double> sums_;     // [count, T, E]
};

Figure distribution(std::vector<float> values) {
  Figure figure{.bootstrap = interval_of(values)};
  if (!figure.bootstrap) return figure;
  std::erase_if(values, [](float x) { return x != x; });
  figure.value = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  return figure;
}

}  // namespace

ShuffleBaseline shuffle_experts(const ShuffleInput& input, ThreadPool& pool) {
  std::vector<Scalars> scalars(input.replicates);
  for (int first = 0; first < input.replicates; first += kEpoch) {
    const int count = std::min(kEpoch, input.replicates - first);
    const auto contributions = Epoch(input, first / kEpoch, count).run(pool);
    const size_t size = contributions.size() / count;
    pool.for_each(count, [&](int64_t r, int) {
      scalars[first + r] =
          layer_figures(std::span(contributions).subspan(r * size, size), input.rules, input.specific)
              .scalars;
    });
  }
  auto column = [&](Scalar scalar) {
    std::vector<float> values;
    for (const Scalars& s : scalars) values.push_back(static_cast<float>(s[scalar]));
    return values;
  };
  ShuffleBaseline baseline;
  const auto sizes = column(kSize);
  baseline.committee_rate =
      static_cast<double>(std::count_if(sizes.begin(), sizes.end(), [](float s) { return s > 0; })) /
      static_cast<double>(input.replicates);
  baseline.size = distribution(sizes);
  baseline.core_size = distribution(column(kCoreSize));
  baseline.coverage_topk = distribution(column(kCoverageTopk));
  baseline.jaccard_mean = distribution(column(kJaccardMean));
  return baseline;
}

}  // namespace committee::audit
