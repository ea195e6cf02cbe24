#include "audit/resample_plan.h"

#include <algorithm>
#include <numeric>

namespace committee::audit {
namespace {

bool is_nested(Scheme scheme) { return scheme == Scheme::kNested || scheme == Scheme::kNestedBootstrap; }

}  // namespace

ResamplePlan::ResamplePlan(const Grouping& grouping, Scheme scheme, int replicates, uint64_t seed)
    : scheme_(scheme),
      replicates_(replicates),
      seed_(seed),
      labels_(is_nested(scheme) ? grouping.group_of : grouping.domain_of),
      starts_{0} {
  const auto counts = is_nested(scheme) ? grouping.group_counts() : grouping.domain_counts();
  for (const int64_t count : counts) starts_.push_back(starts_.back() + count);
  members_.resize(labels_.size());
  std::vector<int64_t> next(starts_.begin(), starts_.end() - 1);
  for (size_t i = 0; i < labels_.size(); ++i) members_[next[labels_[i]]++] = static_cast<int32_t>(i);
  shuffled_ = {0};
  if (scheme == Scheme::kNested) {
    // Groups are numbered by domain, so a domain's groups are neighbours.
    for (size_t g = 1; g < grouping.groups.size(); ++g) {
      if (grouping.groups[g].domain != grouping.groups[g - 1].domain) shuffled_.push_back(starts_[g]);
    }
  }
  shuffled_.push_back(samples());
}

void ResamplePlan::draw(int first, int count, std::span<int32_t> rows, ThreadPool& pool) const {
  pool.for_each(count, [&](int64_t i, int) {
    draw_one(first + static_cast<int>(i), rows.subspan(i * labels_.size(), labels_.size()));
  });
}

void ResamplePlan::draw_times(int first, int count, std::span<float> times, ThreadPool& pool) const {
  pool.for_each(count, [&](int64_t i, int) {
    const auto drawn = times_of(first + static_cast<int>(i));
    std::copy(drawn.begin(), drawn.end(), &times[i * labels_.size()]);
  });
}

Random ResamplePlan::random_of(int replicate) const {
  return Random(seed_, static_cast<uint64_t>(scheme_) << 32 | static_cast<uint64_t>(replicate));
}

std::vector<int32_t> ResamplePlan::times_of(int replicate) const {
  Random random = random_of(replicate);
  std::vector<int32_t> times(labels_.size());
  for (int s = 0; s < segments(); ++s) {
    const auto size = static_cast<uint64_t>(starts_[s + 1] - starts_[s]);
    for (uint64_t i = 0; i < size; ++i) ++times[starts_[s] + static_cast<int64_t>(random.below(size))];
  }
  return times;
}

void ResamplePlan::draw_one(int replicate, std::span<int32_t> rows) const {
  if (is_bootstrap()) {
    const auto times = times_of(replicate);
    size_t out = 0;
    for (size_t i = 0; i < times.size(); ++i) {
      for (int32_t n = 0; n < times[i]; ++n) rows[out++] = members_[i];
    }
    return;
  }
  // Deals each range's samples anew to its segments, then orders each segment by scattering.
  Random random = random_of(replicate);
  std::vector<int32_t> dealt(members_);
  std::vector<int32_t> label(labels_.size());
  for (size_t r = 0; r + 1 < shuffled_.size(); ++r) {
    random.shuffle(std::span(dealt).subspan(shuffled_[r], shuffled_[r + 1] - shuffled_[r]));
  }
  for (int s = 0; s < segments(); ++s) {
    for (int64_t i = starts_[s]; i < starts_[s + 1]; ++i) label[dealt[i]] = s;
  }
  std::vector<int64_t> next(starts_.begin(), starts_.end() - 1);
  for (size_t i = 0; i < label.size(); ++i) rows[next[label[i]]++] = static_cast<int32_t>(i);
}

}  // namespace committee::audit
