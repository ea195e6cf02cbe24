#include "audit/shuffle.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "audit/kernels.h"
#include "audit/percentile.h"
#include "base/random.h"

namespace committee::audit {
namespace {

constexpr int kEpoch = 50;       // replicates that share a sample's permutation
constexpr int kSideBySide = 10;  // replicates that share a pass over a block
constexpr int64_t kBlock = 256;  // samples: what is summed in float32
constexpr uint64_t kStream = 3;  // apart from the schemes of resample_plan.h

class Epoch {
 public:
  Epoch(const ShuffleInput& input, int index, int count)
      : input_(input),
        index_(index),
        count_(count),
        groups_((count + kSideBySide - 1) / kSideBySide),
        experts_(input.rules.experts),
        domains_(input.grouping.domains.size()),
        rows_(kBlock * 2 * experts_),
        shifts_(kBlock * count),
        sums_(count * domains_ * experts_) {}

  // Contributions [count, T, E].
  std::vector<double> run(ThreadPool& pool) {
    const auto samples = static_cast<int64_t>(input_.scale.size());
    std::vector<std::vector<float>> partial(groups_);
    for (int64_t first = 0; first < samples; first += kBlock) {
      const int64_t size = std::min(kBlock, samples - first);
      pool.for_ranges(size, 32, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) permute(first + i, i);
      });
      pool.for_each(groups_, [&](int64_t group, int) {
        add_block(first, size, static_cast<int>(group), partial[group]);
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
      shifts_[slot * count_ + r] = static_cast<int32_t>(random.below(experts_));
    }
  }

  void add_block(int64_t first, int64_t size, int group, std::vector<float>& partial) {
    const int begin = group * kSideBySide, replicates = std::min(kSideBySide, count_ - begin);
    partial.assign(domains_ * replicates * experts_, 0.0F);
    std::set<int32_t> met;
    for (int64_t i = 0; i < size; ++i) {
      const int32_t domain = input_.grouping.domain_of[first + i];
      met.insert(domain);
      kernels::add_shifted(&rows_[i * 2 * experts_], experts_,
                           std::span(shifts_).subspan(i * count_ + begin, replicates),
                           &partial[domain * replicates * experts_]);
    }
    for (const int32_t domain : met) {
      for (int r = 0; r < replicates; ++r) {
        const float* from = &partial[(domain * replicates + r) * experts_];
        double* to = &sums_[((begin + r) * domains_ + domain) * experts_];
        for (size_t e = 0; e < experts_; ++e) to[e] += static_cast<double>(from[e]);
      }
    }
  }

  const ShuffleInput& input_;
  int index_, count_, groups_;
  size_t experts_, domains_;
  std::vector<float> rows_;      // [kBlock, 2E] permuted, doubled
  std::vector<int32_t> shifts_;  // [kBlock, count]
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
