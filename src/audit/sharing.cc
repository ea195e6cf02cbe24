#include "audit/sharing.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace committee::audit {

std::vector<double> jaccard_pairs(std::span<const int> top, int experts, int k) {
  const size_t domains = top.size() / k, words = (static_cast<size_t>(experts) + 63) / 64;
  std::vector<uint64_t> sets(domains * words);
  for (size_t i = 0; i < top.size(); ++i) sets[i / k * words + top[i] / 64] |= uint64_t{1} << (top[i] % 64);
  std::vector<double> pairs;
  pairs.reserve(domains * (domains - 1) / 2);
  for (size_t a = 0; a < domains; ++a) {
    for (size_t b = a + 1; b < domains; ++b) {
      int shared = 0;
      for (size_t w = 0; w < words; ++w) shared += std::popcount(sets[a * words + w] & sets[b * words + w]);
      pairs.push_back(static_cast<double>(shared) / (2 * k - shared));
    }
  }
  return pairs;
}

double chance_jaccard(int experts, int k) {
  auto log_choose = [](int n, int m) {
    return std::lgamma(n + 1.0) - std::lgamma(m + 1.0) - std::lgamma(n - m + 1.0);
  };
  double expected = 0;
  for (int shared = std::max(0, 2 * k - experts); shared <= k; ++shared) {
    const double probability =
        std::exp(log_choose(k, shared) + log_choose(experts - k, k - shared) - log_choose(experts, k));
    expected += probability * shared / (2 * k - shared);
  }
  return expected;
}

}  // namespace committee::audit
