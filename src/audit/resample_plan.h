#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "audit/grouping.h"
#include "base/random.h"
#include "base/thread_pool.h"

namespace committee::audit {

// What a replicate does with the samples (METHOD 9 and 10).
enum class Scheme : uint8_t {
  kBootstrap,        // draws with replacement inside each domain
  kPermutation,      // shuffles the domain labels, counts kept
  kNested,           // shuffles the finer groups' labels inside each domain
  kNestedBootstrap,  // draws with replacement inside each finer group
};

// The draws of one scheme: replicate r gives a list of all N sample indices, cut into segments (domains, or
// groups under the nested schemes), ascending inside each. Depends on the seed alone.
class ResamplePlan {
 public:
  ResamplePlan(const Grouping& grouping, Scheme scheme, int replicates, uint64_t seed);

  Scheme scheme() const { return scheme_; }
  int replicates() const { return replicates_; }
  int64_t samples() const { return static_cast<int64_t>(labels_.size()); }
  int segments() const { return static_cast<int>(starts_.size()) - 1; }
  // Segment s of a list is [starts()[s], starts()[s+1]).
  std::span<const int64_t> starts() const { return starts_; }

  bool is_bootstrap() const { return scheme_ == Scheme::kBootstrap || scheme_ == Scheme::kNestedBootstrap; }

  // Draws replicates [first, first + count) one after another into rows [count, N].
  void draw(int first, int count, std::span<int32_t> rows, ThreadPool& pool) const;

  // The same of a bootstrap as how often each sample is drawn, by segment: times [count, N].
  void draw_times(int first, int count, std::span<float> times, ThreadPool& pool) const;

 private:
  void draw_one(int replicate, std::span<int32_t> rows) const;
  Random random_of(int replicate) const;
  std::vector<int32_t> times_of(int replicate) const;  // of members_

  Scheme scheme_;
  int replicates_;
  uint64_t seed_;
  std::vector<int32_t> labels_;  // [N] segment of each sample as observed
  std::vector<int64_t> starts_;
  std::vector<int32_t> members_;   // [N] samples by segment, ascending
  std::vector<int64_t> shuffled_;  // ranges of members_ within which labels are shuffled
};

}  // namespace committee::audit
