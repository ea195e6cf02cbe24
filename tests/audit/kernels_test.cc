#include "audit/kernels.h"

#include <gtest/gtest.h>

#include <cmath>

#include "audit/exact_sum.h"
#include "audit/geometry.h"
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

TEST_P(KernelSizes, AddRowsOfATile) {
  const auto tile = floats(40 * kTileWidth, 6);
  std::vector<int32_t> rows;
  Random random(7);
  for (size_t i = 0; i < GetParam() * 5; ++i) rows.push_back(static_cast<int32_t>(random.below(40)));
  std::vector<double> out(kTileWidth, 99);
  add_rows(tile.data(), rows, out.data());
  for (size_t c = 0; c < kTileWidth; ++c) {
    double sum = 0;
    for (int32_t row : rows) sum += tile[row * kTileWidth + c];
    EXPECT_NEAR(out[c], 99 + sum, 1e-6 * static_cast<double>(rows.size()));
  }
}

TEST_P(KernelSizes, AddWeightedRows) {
  const size_t count = GetParam(), rows = 37, stride = 40, out_stride = kTileWidth + 3;
  const auto tile = floats(rows * kTileWidth, 6), times = floats(count * stride, 7);
  std::vector<double> out(count * out_stride, 5);
  add_weighted_rows(tile.data(), rows, times.data(), stride, count, out.data(), out_stride);
  for (size_t r = 0; r < count; ++r) {
    for (size_t c = 0; c < out_stride; ++c) {
      double sum = 5;
      for (size_t i = 0; i < rows && c < kTileWidth; ++i) {
        sum += static_cast<double>(times[r * stride + i]) * tile[i * kTileWidth + c];
      }
      EXPECT_NEAR(out[r * out_stride + c], sum, 1e-5);
    }
  }
}

TEST_P(KernelSizes, Multiply) {
  const size_t rows = GetParam(), depth = 21, columns = 2 * kColumnBlock;
  const auto a = floats(rows * depth, 8), b = floats(depth * columns, 9);
  std::vector<float> out(rows * columns, 99);
  multiply(a.data(), rows, depth, b.data(), columns, out.data());
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) {
      double sum = 0;
      for (size_t p = 0; p < depth; ++p) sum += static_cast<double>(a[r * depth + p]) * b[p * columns + c];
      EXPECT_NEAR(out[r * columns + c], sum, 1e-5);
    }
  }
}

TEST_P(KernelSizes, AddShifted) {
  const size_t n = GetParam();
  const auto row = floats(2 * n, 10);
  const std::vector<int32_t> shifts = {0, static_cast<int32_t>(n) - 1, static_cast<int32_t>(n) / 2};
  std::vector<float> sums(3 * n, 1);
  add_shifted(row.data(), n, shifts, sums.data());
  for (size_t r = 0; r < 3; ++r) {
    for (size_t i = 0; i < n; ++i) EXPECT_EQ(sums[r * n + i], 1 + row[shifts[r] + i]);
  }
}

// Against geometry.h's silhouette, for distances as they are.
TEST(Kernels, Silhouettes) {
  constexpr size_t kRows = 5, kDomains = 3;
  const std::vector<float> counts = {4, 1, 9};
  const std::vector<int64_t> exact_counts = {4, 1, 9};
  const auto products = floats(kDomains * kRows * kLanes, 11);
  const std::vector<float> offset(kRows, 1), base(kDomains * kLanes, 0), copies(kRows * kLanes, 1);
  std::vector<int32_t> labels(kRows * kLanes);
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int32_t>(i % kDomains);
  std::vector<float> out(kRows * kLanes, 99);
  silhouettes({kRows, kDomains, products.data(), offset.data(), base.data(), counts.data(), labels.data(),
               copies.data()},
              out.data());
  for (size_t i = 0; i < out.size(); ++i) {
    const int own = labels[i];
    std::vector<double> dots;
    for (size_t t = 0; t < kDomains; ++t)
      dots.push_back(products[(t * kRows + i / kLanes) * kLanes + i % kLanes]);
    EXPECT_NEAR(out[i], silhouette(dots, exact_counts, own), 1e-5) << i;
  }
}

}  // namespace
}  // namespace committee::audit::kernels
