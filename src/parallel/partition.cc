#include "parallel/partition.h"

#include <algorithm>
#include <numeric>

namespace committee::parallel {
namespace {

// Runs filled one after the other up to `limit`; the last bound tells whether all items went in.
std::vector<size_t> filled(std::span<const int64_t> costs, size_t parts, int64_t limit) {
  std::vector<size_t> bounds = {0};
  for (size_t part = 0; part < parts; ++part) {
    const size_t begin = bounds.back(), runs_after = parts - part - 1;
    size_t end = begin;
    int64_t cost = 0;
    while (end < costs.size() && cost + costs[end] <= limit &&
           (end == begin || costs.size() - end > runs_after)) {
      cost += costs[end++];
    }
    bounds.push_back(end);
  }
  return bounds;
}

}  // namespace

std::vector<size_t> partition(std::span<const int64_t> costs, int parts) {
  int64_t low = costs.empty() ? 0 : *std::max_element(costs.begin(), costs.end());
  int64_t high = std::accumulate(costs.begin(), costs.end(), int64_t{0});
  const auto count = static_cast<size_t>(parts);
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (filled(costs, count, middle).back() == costs.size()) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return filled(costs, count, high);
}

}  // namespace committee::parallel
