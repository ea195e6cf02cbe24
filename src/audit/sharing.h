#pragma once

#include <span>
#include <vector>

namespace committee::audit {

// Jaccard similarities of the domains' top-k sets, ids [T, k]: one value a pair (a, b), a < b, ordered by a,
// then b; empty for a single domain (METHOD 6, Eq. 13).
std::vector<double> jaccard_pairs(std::span<const int> top, int experts, int k);

// Expected Jaccard similarity of two random k-subsets of E experts: the intersection is hypergeometric.
double chance_jaccard(int experts, int k);

}  // namespace committee::audit
