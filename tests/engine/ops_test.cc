#include "engine/ops.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "base/random.h"

namespace committee::engine {
namespace {

std::vector<float> random_values(int64_t n, uint64_t seed, double range = 3) {
  Random random(seed);
  std::vector<float> x(static_cast<size_t>(n));
  for (float& value : x) value = static_cast<float>((2 * random.uniform() - 1) * range);
  return x;
}

uint16_t as_bf16(float value) {
  uint16_t out = 0;
  store(&value, 1, Compute::kBF16, &out);
  return out;
}

class Lengths : public testing::TestWithParam<int> {};

TEST_P(Lengths, RmsNormDividesByTheRootMeanSquare) {
  const int n = GetParam();
  std::vector<float> x = random_values(n, 1), w = random_values(n, 2);
  std::vector<float> out = x;
  EXPECT_TRUE(rms_norm(out.data(), w.data(), n, 1e-5, out.data()));
  double sum = 0;
  for (const float value : x) sum += double{value} * value;
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(out[i], x[i] * w[i] / std::sqrt(sum / n + 1e-5), 2e-6);
}

TEST_P(Lengths, SiluMulInBothFormats) {
  const int n = GetParam();
  const std::vector<float> gate = random_values(n, 3, 20), up = random_values(n, 4);
  std::vector<float> out(gate.size());
  std::vector<uint16_t> half(gate.size());
  silu_mul(gate.data(), up.data(), n, Compute::kF32, out.data());
  silu_mul(gate.data(), up.data(), n, Compute::kBF16, half.data());
  for (size_t i = 0; i < gate.size(); ++i) {
    EXPECT_NEAR(out[i], double{gate[i]} * up[i] / (1 + std::exp(-double{gate[i]})), 2e-5);
    EXPECT_EQ(half[i], as_bf16(out[i]));
  }
}

TEST_P(Lengths, SoftmaxSumsToOneAndGivesNothingToMinusInfinity) {
  const int n = GetParam();
  std::vector<float> x = random_values(n, 5, 30), y = x;
  if (n > 1) y[0] = -std::numeric_limits<float>::infinity();
  std::vector<double> expected;
  double total = 0;
  for (const float value : y) total += std::exp(double{value} - max_of(y.data(), n));
  for (const float value : y) expected.push_back(std::exp(double{value} - max_of(y.data(), n)) / total);
  softmax(y.data(), n);
  for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], expected[i], 1e-6);
  if (n > 1) {
    EXPECT_EQ(y[0], 0);
  }
}

TEST_P(Lengths, AddsScalesAndFindsTheLargest) {
  const int n = GetParam();
  const std::vector<float> x = random_values(n, 6), y = random_values(n, 7);
  std::vector<float> z = x;
  add_scaled(0.5f, y.data(), n, z.data());
  scale(2.0f, n, z.data());
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(z[i], 2 * x[i] + y[i], 1e-5);
  EXPECT_EQ(max_of(x.data(), n), *std::max_element(x.begin(), x.end()));
}

INSTANTIATE_TEST_SUITE_P(Ops, Lengths, testing::Values(1, 2, 7, 16, 37, 64, 131));

TEST(Ops, StoresBF16ToTheNearestTiesToEven) {
  EXPECT_EQ(as_bf16(1.0f), 0x3F80);
  EXPECT_EQ(as_bf16(std::bit_cast<float>(0x3F808000u)), 0x3F80);  // half way, even below
  EXPECT_EQ(as_bf16(std::bit_cast<float>(0x3F818000u)), 0x3F82);  // half way, even above
  EXPECT_EQ(as_bf16(std::bit_cast<float>(0x3F808001u)), 0x3F81);
  EXPECT_EQ(as_bf16(std::numeric_limits<float>::infinity()), 0x7F80);
  EXPECT_EQ(as_bf16(std::bit_cast<float>(0x7FFFFFFFu)) & 0x7FC0, 0x7FC0);  // a NaN stays one
}

TEST(Ops, LoadsEveryFormatOfWeights) {
  const float f32[] = {1.5f, -2.25f, 1e-3f};
  const uint16_t bf16[] = {0x3FC0, 0xC010}, f16[] = {0x3E00, 0xC080};
  const auto tensor = [](model::DType type, const void* data, int64_t n) {
    return model::Tensor{"x", type, {n}, static_cast<const std::byte*>(data), 0};
  };
  EXPECT_EQ(load_all(tensor(model::DType::kF32, f32, 3)), std::vector<float>({1.5f, -2.25f, 1e-3f}));
  EXPECT_EQ(load_all(tensor(model::DType::kBF16, bf16, 2)), std::vector<float>({1.5f, -2.25f}));
  EXPECT_EQ(load_all(tensor(model::DType::kF16, f16, 2)), std::vector<float>({1.5f, -2.25f}));
  uint16_t converted[2];
  convert(tensor(model::DType::kF16, f16, 2), 0, 2, Compute::kBF16, converted);
  EXPECT_EQ(converted[0], bf16[0]);
  EXPECT_EQ(converted[1], bf16[1]);
}

TEST(Ops, NotANumberIsNeverLost) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> x(37, 1.0f), one(37, 1.0f), out(37);
  x[36] = nan;
  EXPECT_FALSE(rms_norm(x.data(), one.data(), 37, 1e-5, out.data()));
  EXPECT_FALSE(all_finite(x.data(), 37));
  EXPECT_TRUE(all_finite(one.data(), 37));
  EXPECT_TRUE(std::isnan(exp_row(x.data(), 1, 0, 37, Compute::kF32, out.data())));
  silu_mul(x.data(), one.data(), 37, Compute::kF32, out.data());
  EXPECT_TRUE(std::isnan(out[36]));
}

TEST(Ops, RopeRotatesPairsByPosition) {
  for (const auto pairing : {model::RopePairing::kHalves, model::RopePairing::kInterleaved}) {
    const model::Rope rope{.theta = 100, .dims = 10, .pairing = pairing, .yarn = {}};
    const RopeTable table(rope, 8);
    std::vector<float> head = random_values(12, 9), before = head;
    table.rotate(7, head.data());
    for (size_t i = 0; i < 5; ++i) {
      const bool halves = pairing == model::RopePairing::kHalves;
      const size_t a = halves ? i : 2 * i, b = halves ? i + 5 : 2 * i + 1;
      const double angle = 7 * std::pow(100.0, -2.0 * static_cast<double>(i) / 10);
      EXPECT_NEAR(head[a], before[a] * std::cos(angle) - before[b] * std::sin(angle), 1e-6);
      EXPECT_NEAR(head[b], before[a] * std::sin(angle) + before[b] * std::cos(angle), 1e-6);
    }
    EXPECT_EQ(head[10], before[10]);  // only the first dims rotate
  }
}

// The values that the published DeepSeek-V2-Lite configuration gives: 64 dims, factor 40 over 4096 positions.
TEST(Ops, YarnKeepsFastPairsAndInterpolatesSlowOnes) {
  model::Rope rope{
      .theta = 10000, .dims = 64, .pairing = model::RopePairing::kInterleaved, .yarn = model::Yarn{}};
  rope.yarn->factor = 40;
  rope.yarn->original_positions = 4096;
  const std::vector<double> yarn = rope_frequencies(rope);
  const auto plain = [](int i) { return std::pow(10000.0, -2.0 * i / 64); };
  EXPECT_DOUBLE_EQ(yarn[0], 1.0);
  EXPECT_DOUBLE_EQ(yarn[10], plain(10));  // low = floor(10.47) = 10
  EXPECT_NEAR(yarn[16], plain(16) * (1 - 6.0 / 13) + plain(16) / 40 * (6.0 / 13),
              1e-15);  // high = ceil(22.5) = 23
  EXPECT_NEAR(yarn[23], plain(23) / 40, 1e-15);
  EXPECT_NEAR(yarn[31], plain(31) / 40, 1e-15);
}

TEST(Ops, YarnWithoutTruncationBlendsFromTheExactEnds) {
  model::Rope rope{.theta = 10000, .dims = 64, .yarn = model::Yarn{}};
  rope.yarn->factor = 40;
  rope.yarn->original_positions = 4096;
  rope.yarn->truncate = false;
  const auto pair_of = [](double turns) {
    return 64 * std::log(4096 / (turns * 2 * M_PI)) / (2 * std::log(10000.0));
  };
  const double low = pair_of(32), high = pair_of(1), plain = std::pow(10000.0, -2.0 * 16 / 64);
  const double ramp = (16 - low) / (high - low);
  EXPECT_NEAR(rope_frequencies(rope)[16], plain * (1 - ramp) + plain / 40 * ramp, 1e-15);
}

TEST(Ops, LinearScalingDividesPositions) {
  const model::Rope plain{.theta = 10000, .dims = 8, .yarn = {}};
  model::Rope scaled = plain;
  scaled.linear_factor = 4;
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_DOUBLE_EQ(rope_frequencies(scaled)[i], rope_frequencies(plain)[i] / 4);
  }
}

TEST(Ops, ArgMaxTakesTheFirstOfEquals) {
  const std::vector<float> x = {1, 3, 2, 3};
  EXPECT_EQ(arg_max(x), 1);
}

}  // namespace
}  // namespace committee::engine
