#include "audit/committee.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace committee::audit {

void top_k(std::span<const double> values, std::span<int> out) {
  // Insertion into a short sorted list: k is small beside E, and ids arrive ascending, so ties keep their
  // order.
  const int k = static_cast<int>(out.size());
  int held = 0;
  for (int id = 0; id < static_cast<int>(values.size()); ++id) {
    const double value = values[id];
    if (held == k && !(value > values[out[k - 1]])) continue;
    int at = held < k ? held++ : k - 1;
    for (; at > 0 && value > values[out[at - 1]]; --at) out[at] = out[at - 1];
    out[at] = id;
  }
}

std::vector<int> top_k_of_domains(std::span<const double> contributions, int experts, int k) {
  const size_t domains = contributions.size() / experts;
  std::vector<int> top(domains * k);
  for (size_t t = 0; t < domains; ++t) {
    top_k(contributions.subspan(t * experts, experts), std::span(top).subspan(t * k, k));
  }
  return top;
}

std::vector<int> ranks_of(std::span<const int> top, int experts, int k) {
  const size_t domains = top.size() / k;
  std::vector<int> ranks(domains * experts, k + 1);
  for (size_t t = 0; t < domains; ++t) {
    for (int r = 0; r < k; ++r) ranks[t * experts + top[t * k + r]] = r + 1;
  }
  return ranks;
}

std::vector<RankTally> tally_ranks(std::span<const int> top, int experts, int k) {
  const auto domains = static_cast<int64_t>(top.size()) / k;
  std::vector<RankTally> tallies(experts);
  for (size_t i = 0; i < top.size(); ++i) {
    RankTally& tally = tallies[top[i]];
    const auto rank = static_cast<int64_t>(i % k) + 1;
    ++tally.present;
    tally.sum += rank;
    tally.squares += rank * rank;
  }
  const int64_t outside = k + 1;
  for (RankTally& tally : tallies) {
    tally.sum += (domains - tally.present) * outside;
    tally.squares += (domains - tally.present) * outside * outside;
  }
  return tallies;
}

int64_t presence_needed(double gamma, int64_t domains) {
  return static_cast<int64_t>(std::ceil(gamma * static_cast<double>(domains) - 1e-9));
}

Committee find_committee(std::span<const RankTally> tallies, int64_t domains, double gamma,
                         Fallback fallback) {
  Committee result;
  int64_t needed = std::max<int64_t>(presence_needed(gamma, domains), 1);
  int64_t most = 0;
  for (const RankTally& tally : tallies) most = std::max(most, tally.present);
  if (most < needed && fallback == Fallback::kMaxPresence && most > 0) {
    needed = most;
    result.by_fallback = true;
  }
  for (int id = 0; id < static_cast<int>(tallies.size()); ++id) {
    if (tallies[id].present >= needed) result.core.push_back(id);
  }
  auto dominated = [&](int id) {
    const int64_t sum = tallies[id].sum, variance = tallies[id].scaled_variance(domains);
    return std::any_of(result.core.begin(), result.core.end(), [&](int other) {
      const int64_t s = tallies[other].sum, v = tallies[other].scaled_variance(domains);
      return s <= sum && v <= variance && (s < sum || v < variance);
    });
  };
  std::copy_if(result.core.begin(), result.core.end(), std::back_inserter(result.members),
               [&](int id) { return !dominated(id); });
  std::stable_sort(result.members.begin(), result.members.end(),
                   [&](int a, int b) { return tallies[a].sum < tallies[b].sum; });
  return result;
}

Share share_of(std::span<const int> members, std::span<const double> values) {
  constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  double inside = 0, outside = 0;
  std::vector<bool> in(values.size());
  for (int id : members) in[id] = true;
  for (size_t id = 0; id < values.size(); ++id) (in[id] ? inside : outside) += values[id];
  if (!(inside + outside > 0)) return {kUndefined, kUndefined};
  Share share{inside / (inside + outside), kUndefined};
  if (!members.empty() && outside > 0) {
    const auto size = static_cast<double>(members.size());
    share.ratio = (inside / size) / (outside / (static_cast<double>(values.size()) - size));
  }
  return share;
}

}  // namespace committee::audit
