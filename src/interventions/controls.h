#pragma once

#include <functional>
#include <span>
#include <vector>

#include "base/random.h"

// Sets of experts to compare a chosen one with: of the same size, from a layer's other experts.
namespace committee::interventions {

// Whether a set can be masked (or executed always) at all; empty: any can.
using Allowed = std::function<bool(const std::vector<int>&)>;

// `count` distinct sets of as many experts as `members` has, drawn from the other ids below `experts`, every
// allowed set as likely as any other. Fewer where there are not as many. Each ascending.
std::vector<std::vector<int>> random_sets(int experts, const std::vector<int>& members, int count,
                                          Random& random, const Allowed& allowed);

// The `count` distinct sets of non-members that are closest to `members` in executed frequency, closest
// first: least Σ |f(member) - f(non-member)| over the best pairing of the two. Exact, and the same for the
// same frequencies: of equally close sets those of rarer experts, then of lower ids, come first. Fewer where
// there are not as many. frequency [experts]. Each set ascending.
std::vector<std::vector<int>> matched_sets(std::span<const double> frequency, const std::vector<int>& members,
                                           int count, const Allowed& allowed);

}  // namespace committee::interventions
