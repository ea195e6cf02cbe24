#include "audit/kernels.h"

#include <gtest/gtest.h>

#include <cmath>

#include "audit/exact_sum.h"
#include "base/random.h"

namespace committee::audit::kernels {
namespace {

std::vector<double> doubles(size_t n, uint64_t seed) {
  Random random(seed);
  std::vector<double> values(n);
  for (double& x : values) x = random.uniform() - 0.3;
  return values;
}
std::vector<float> floats(size_t n, uint64_t seed) {
  const auto wide = doubles(n, seed);
  return {wide.begin(), wide.end()};
}

// Sizes around every vector width, with and without a rest.
class KernelSizes : public ::testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, KernelSizes, ::testing::Values(1, 3, 8, 15, 16, 17, 64, 131));

TEST_P(KernelSizes, ElementwiseSums) {
  const auto x = doubles(GetParam(), 1);
  auto high = doubles(GetParam(), 2);
  const auto before = high;
  std::vector<double> low(GetParam(), 0.0), scaled = before, widened = before;
  for (int repeat = 0; repeat < 3; ++repeat) add_exact(x, high.data(), low.data());
  add_scaled(x, 2.5, scaled.data());
  const auto narrow = floats(GetParam(), 3);
  add_widened(narrow, widened.data());
  for (size_t i = 0; i < x.size(); ++i) {
    ExactSum sum;
    for (double term : {before[i], x[i], x[i], x[i]}) sum.add(term);
    EXPECT_EQ(high[i] + low[i], sum.value());
    EXPECT_NEAR(scaled[i], before[i] + 2.5 * x[i], 1e-15);
    EXPECT_EQ(widened[i], before[i] + static_cast<double>(narrow[i]));
  }
}

TEST_P(KernelSizes, DotAndEntropy) {
  const auto a = doubles(GetParam(), 4), b = doubles(GetParam(), 5);
  std::vector<double> p;
  double dot_expected = 0, entropy_expected = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot_expected += a[i] * b[i];
    p.push_back(i % 4 == 0 ? 0 : std::abs(a[i]));
    if (p[i] > 0) entropy_expected -= p[i] * std::log(p[i]);
  }
  EXPECT_NEAR(dot(a, b.data()), dot_expected, 1e-13);
  EXPECT_NEAR(entropy(p), entropy_expected, 1e-13);
}

}  // namespace
}  // namespace committee::audit::kernels
