#include "audit/placement.h"

#include <algorithm>
#include <numeric>

#include "audit/observe.h"

namespace committee::audit {

std::vector<double> slot_counts(const trace::Trace& trace, const AuditOptions& options) {
  ThreadPool pool(std::max(1, options.threads));
  const SampleReader reader(trace, options.positions, options.memory);
  const auto experts = static_cast<size_t>(reader.experts());
  std::vector<double> counts(static_cast<size_t>(reader.layers()) * experts);
  for_each_vector(reader, {.slots = true}, {0, reader.layers()}, pool,
                  [&](int64_t, int layer, const SampleVectors& vectors) {
                    double* sums = counts.data() + static_cast<size_t>(layer) * experts;
                    for (size_t e = 0; e < experts; ++e) sums[e] += vectors.slots[e];
                  });
  return counts;
}

std::vector<int> place_experts(std::span<const double> loads, int slots, int devices) {
  std::vector<int> copies(loads.size(), 1);
  const auto load_of = [&](int expert) {
    return loads[static_cast<size_t>(expert)] / copies[static_cast<size_t>(expert)];
  };
  const int experts = static_cast<int>(loads.size());
  for (int slot = experts; slot < slots; ++slot) {
    int heaviest = 0;
    for (int e = 1; e < experts; ++e) heaviest = load_of(e) > load_of(heaviest) ? e : heaviest;
    ++copies[static_cast<size_t>(heaviest)];
  }
  std::vector<int> order;
  for (int e = 0; e < experts; ++e)
    order.insert(order.end(), static_cast<size_t>(copies[static_cast<size_t>(e)]), e);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return load_of(a) > load_of(b); });

  const auto room = static_cast<size_t>(slots / devices);
  std::vector<std::vector<int>> held(static_cast<size_t>(devices));
  std::vector<double> carried(static_cast<size_t>(devices));
  for (const int expert : order) {
    size_t to = held.size();
    for (size_t d = 0; d < held.size(); ++d) {
      if (held[d].size() < room && (to == held.size() || carried[d] < carried[to])) to = d;
    }
    held[to].push_back(expert);
    carried[to] += load_of(expert);
  }
  std::vector<int> places;
  for (const auto& device : held) places.insert(places.end(), device.begin(), device.end());
  return places;
}

}  // namespace committee::audit
