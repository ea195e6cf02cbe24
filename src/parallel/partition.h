#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace committee::parallel {

// Cuts items, in their order, into `parts` runs of neighbours of which the costliest costs as little as can
// be; no run is empty while there are items enough. The runs' bounds, [parts + 1] from 0 to the number of
// items. Costs are ≥ 0.
std::vector<size_t> partition(std::span<const int64_t> costs, int parts);

}  // namespace committee::parallel
