#include "trace/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace committee::trace {
namespace {

// A half's value from the definition: sign, 5 bits of exponent, 10 of mantissa.
double value_of(uint16_t half) {
  const int exponent = (half >> 10) & 31, mantissa = half & 1023;
  double value = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  if (exponent == 31) value = mantissa ? std::nan("") : std::numeric_limits<double>::infinity();
  return half & 0x8000 ? -value : value;
}

TEST(Half, EveryHalfIsReadAndWrittenBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const double wanted = value_of(half);
    const float found = from_half(half);
    if (std::isnan(wanted)) {
      EXPECT_TRUE(std::isnan(found)) << bits;
      EXPECT_TRUE(std::isnan(from_half(to_half(found)))) << bits;
    } else {
      EXPECT_EQ(found, wanted) << bits;
      EXPECT_EQ(to_half(found), half) << bits;
    }
  }
}

TEST(Half, RoundsToTheNearestAndTiesToEven) {
  for (uint16_t half = 0; half < 0x7BFF; ++half) {
    const double low = value_of(half), high = value_of(half + 1);
    const auto middle = static_cast<float>((low + high) / 2);  // exact: one more bit
    EXPECT_EQ(to_half(middle), half % 2 == 0 ? half : half + 1) << half;
    EXPECT_EQ(to_half(std::nextafter(middle, 0.0f)), half) << half;
    EXPECT_EQ(to_half(std::nextafter(middle, 1e9f)), half + 1) << half;
    EXPECT_EQ(to_half(-std::nextafter(middle, 1e9f)), (half + 1) | 0x8000) << half;
  }
  EXPECT_EQ(to_half(65519.99f), 0x7BFF);
  EXPECT_EQ(to_half(65520.0f), 0x7C00);
  EXPECT_EQ(to_half(1e30f), 0x7C00);
  EXPECT_EQ(to_half(1e-30f), 0);
}

}  // namespace
}  // namespace committee::trace
