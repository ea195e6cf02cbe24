#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"
#include "roles/tests.h"

namespace committee::roles {
namespace {

TEST(UpperGamma, AgreesWithClosedForms) {
  for (const double x : {0.01, 0.5, 1.0, 3.0, 20.0}) {
    EXPECT_NEAR(upper_gamma(1, x), std::exp(-x), 1e-13);
    EXPECT_NEAR(upper_gamma(0.5, x), std::erfc(std::sqrt(x)), 1e-13);
    EXPECT_NEAR(upper_gamma(3, x), std::exp(-x) * (1 + x + x * x / 2), 1e-13);
  }
  EXPECT_NEAR(upper_gamma(2e4, 2e4), 0.5, 2e-3);
}

TEST(MomentPValue, IsTheNormalWithoutSkewAndExactForAGamma) {
  EXPECT_NEAR(*moment_p_value(1.959963984540054, 1, 0), 0.05, 1e-12);
  EXPECT_NEAR(*moment_p_value(-3.919927969080108, 4, 0), 0.05, 1e-12);
  // An exponential variable less its mean: variance 1, third moment 2.
  EXPECT_NEAR(*moment_p_value(3, 1, 2), 2 * std::exp(-4.0), 1e-12);
  EXPECT_NEAR(*moment_p_value(-3, 1, -2), 2 * std::exp(-4.0), 1e-12);
  EXPECT_FALSE(moment_p_value(1, 0, 0).has_value());
  EXPECT_GT(*moment_p_value(1e6, 1, 0), 0);
}

TEST(MomentPValue, AgreesWithPermutations) {
  // The sum of 12 of 60 skewed values, against 200,000 draws.
  Random random(7);
  std::vector<double> values(60);
  double mean = 0;
  for (double& x : values) mean += (x = -std::log(1 - random.uniform())) / 60;
  double squares = 0, cubes = 0;
  for (double& x : values) {
    x -= mean;
    squares += x * x;
    cubes += x * x * x;
  }
  const double n = 60, m = 12, second = m * (n - m) / (n * (n - 1));
  const double third = second * (n - 2 * m) / (n - 2);
  for (const double t : {4.0, 7.0, -5.0}) {
    int as_far = 0;
    constexpr int kDraws = 200000;
    for (int r = 0; r < kDraws; ++r) {
      double sum = 0;
      for (size_t i = 0; i < 12; ++i) {
        std::swap(values[i], values[i + random.below(60 - i)]);
        sum += values[i];
      }
      as_far += t > 0 ? sum >= t : sum <= t;
    }
    const double p = 2.0 * as_far / kDraws;
    EXPECT_NEAR(*moment_p_value(t, second * squares, third * cubes) / p, 1, 0.15) << t << " " << p;
  }
}

TEST(QValues, FollowBenjaminiAndHochberg) {
  const std::vector<std::optional<double>> p = {0.04, std::nullopt, 0.001, 0.03, 0.5};
  const auto q = q_values(p);
  EXPECT_NEAR(*q[2], 0.004, 1e-15);
  EXPECT_NEAR(*q[0], 0.04 * 4 / 3, 1e-15);
  EXPECT_NEAR(*q[3], 0.04 * 4 / 3, 1e-15);  // 0.06 without the step up
  EXPECT_NEAR(*q[4], 0.5, 1e-15);
  EXPECT_FALSE(q[1].has_value());
}

TEST(SignFlip, EnumeratesFewDifferences) {
  EXPECT_EQ(*sign_flip_p_value(std::vector<double>{1, 2, 3}, 0), 0.25);
  EXPECT_EQ(*sign_flip_p_value(std::vector<double>{1, -1}, 0), 1);
  EXPECT_FALSE(sign_flip_p_value({}, 0).has_value());
  EXPECT_LT(*sign_flip_p_value(std::vector<double>(30, 1.0), 0), 0.001);
}

}  // namespace
}  // namespace committee::roles
