#include "audit/pin_plans.h"

#include <algorithm>
#include <numeric>

#include "audit/committee.h"

namespace committee::audit {

namespace {

double total_of(std::span<const double> counts) { return std::accumulate(counts.begin(), counts.end(), 0.0); }

// [cells] mean over domains of each one's share of its slots; with `pooled` shares of the sum of counts.
std::vector<double> mean_shares(const SlotShares& shares, bool pooled) {
  std::vector<double> mean(static_cast<size_t>(shares.layers) * static_cast<size_t>(shares.experts));
  for (const auto& counts : shares.domains) {
    const double total = total_of(counts);
    if (total == 0) continue;
    for (size_t i = 0; i < mean.size(); ++i) mean[i] += pooled ? counts[i] : counts[i] / total;
  }
  return mean;
}

// Cells by class ascending, inside a class by share descending, then by index.
std::vector<int32_t> ordered(const std::vector<double>& share, const std::vector<int>& classes) {
  std::vector<int32_t> cells(share.size());
  std::iota(cells.begin(), cells.end(), 0);
  std::stable_sort(cells.begin(), cells.end(), [&](int32_t a, int32_t b) {
    const auto i = static_cast<size_t>(a), j = static_cast<size_t>(b);
    if (classes[i] != classes[j]) return classes[i] < classes[j];
    return share[i] > share[j];
  });
  return cells;
}

// 0 for the members of each layer's committee, 1 for the rest of its core, 2 for the others.
std::vector<int> committee_classes(const SlotShares& shares) {
  const auto experts = static_cast<size_t>(shares.experts);
  std::vector<int> classes(static_cast<size_t>(shares.layers) * experts, 2);
  for (size_t layer = 0; layer < static_cast<size_t>(shares.layers); ++layer) {
    std::vector<double> contributions;
    int64_t domains = 0;
    for (const auto& counts : shares.domains) {
      if (total_of(counts) == 0) continue;
      ++domains;
      const auto at = counts.begin() + static_cast<std::ptrdiff_t>(layer * experts);
      contributions.insert(contributions.end(), at, at + shares.experts);
    }
    if (domains == 0) continue;
    const auto top = top_k_of_domains(contributions, shares.experts, shares.k);
    const auto found =
        find_committee(tally_ranks(top, shares.experts, shares.k), domains, shares.gamma, Fallback::kNone);
    for (const int id : found.core) classes[layer * experts + static_cast<size_t>(id)] = 1;
    for (const int id : found.members) classes[layer * experts + static_cast<size_t>(id)] = 0;
  }
  return classes;
}

// How many a layer, first of all cells by their place inside their layer.
std::vector<int> place_in_layer(const SlotShares& shares, const std::vector<double>& share) {
  std::vector<int> places(share.size());
  std::vector<int> seen(static_cast<size_t>(shares.layers));
  for (const int32_t cell : ordered(share, std::vector<int>(share.size()))) {
    places[static_cast<size_t>(cell)] = seen[static_cast<size_t>(cell / shares.experts)]++;
  }
  return places;
}

}  // namespace

std::vector<int32_t> choose_cells(const SlotShares& shares, PinPlan plan, int64_t count) {
  const auto share = mean_shares(shares, plan == PinPlan::kFrequency);
  const auto classes = plan == PinPlan::kCommittee    ? committee_classes(shares)
                       : plan == PinPlan::kEqualSplit ? place_in_layer(shares, share)
                                                      : std::vector<int>(share.size());
  auto cells = ordered(share, classes);
  cells.resize(static_cast<size_t>(count));
  std::sort(cells.begin(), cells.end());
  return cells;
}

}  // namespace committee::audit
