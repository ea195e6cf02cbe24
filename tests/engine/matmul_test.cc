#include "engine/matmul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"
#include "engine/linear.h"
#include "engine/ops.h"

namespace committee::engine {
namespace {

// A random matrix in a format, and what it holds in double.
struct Values {
  Values(int64_t count, Compute type, Random& random) : bytes(static_cast<size_t>(count) * size_of(type)) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = static_cast<float>(random.uniform() * 2 - 1);
    store(values.data(), count, type, bytes.data());
    const model::DType dtype = type == Compute::kF32 ? model::DType::kF32 : model::DType::kBF16;
    values = load_all({"", dtype, {count}, bytes.data(), bytes.size()});
    exact.assign(values.begin(), values.end());
  }
  std::vector<double> exact;
  std::vector<std::byte> bytes;
};

class MatmulTest : public testing::TestWithParam<Compute> {
 protected:
  void SetUp() override {
    if (!can_compute(GetParam())) GTEST_SKIP() << "this processor cannot multiply bf16";
  }
};

TEST_P(MatmulTest, EqualsTheSumOfProductsInAnyShapeAndLayout) {
  Random random(3);
  Matmul matmul;
  for (int round = 0; round < 60; ++round) {
    const auto size = [&] { return static_cast<int64_t>(1 + random.below(round % 3 == 0 ? 4 : 90)); };
    const int64_t m = size(), n = size(), k = size();
    const bool transposed = round % 2 == 0, accumulate = round % 4 < 2;
    const Product product{.m = m,
                          .n = n,
                          .k = k,
                          .lda = k + 3,
                          .ldb = (transposed ? k : n) + 5,
                          .ldc = n + 2,
                          .input = GetParam(),
                          .b_transposed = transposed,
                          .accumulate = accumulate};
    const Values a(m * product.lda, GetParam(), random),
        b((transposed ? n : k) * product.ldb, GetParam(), random);
    std::vector<float> c(static_cast<size_t>(m * product.ldc), 0.25f);
    matmul.run(product, a.bytes.data(), b.bytes.data(), c.data());
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < product.ldc; ++j) {
        double expected = j < n && !accumulate ? 0 : 0.25;
        for (int64_t x = 0; x < k && j < n; ++x)
          expected += a.exact[static_cast<size_t>(i * product.lda + x)] *
                      b.exact[static_cast<size_t>(transposed ? j * product.ldb + x : x * product.ldb + j)];
        ASSERT_NEAR(c[static_cast<size_t>(i * product.ldc + j)], expected, 1e-5 * static_cast<double>(k))
            << m << " " << n << " " << k << " at " << i << ", " << j;
      }
    }
  }
}

TEST_P(MatmulTest, ARowDoesNotDependOnHowManyThereAre) {
  Random random(6);
  Matmul matmul;
  for (const auto& [n, k] : {std::pair<int64_t, int64_t>{32, 16}, {256, 64}, {256, 7}, {64, 160}, {41, 35}}) {
    for (const bool transposed : {true, false}) {
      const int64_t most = 70;
      const Values a(most * k, GetParam(), random), b(n * k, GetParam(), random);
      Product product{.m = most, .n = n, .k = k, .lda = k, .ldb = transposed ? k : n, .ldc = 256};
      product.input = GetParam();
      product.b_transposed = transposed;
      for (const bool accumulate : {false, true}) {
        product.accumulate = accumulate;
        product.m = most;
        std::vector<float> whole(static_cast<size_t>(most * product.ldc), 0.5f);
        matmul.run(product, a.bytes.data(), b.bytes.data(), whole.data());
        for (product.m = 1; product.m < most; ++product.m) {
          std::vector<float> part(whole.size(), 0.5f);
          matmul.run(product, a.bytes.data(), b.bytes.data(), part.data());
          for (int64_t r = 0; r < product.m; ++r) {
            const auto from = part.begin() + r * product.ldc, expected = whole.begin() + r * product.ldc;
            ASSERT_TRUE(std::equal(from, from + n, expected)) << product.m << " rows, " << n << " by " << k;
          }
        }
      }
    }
  }
}

// Weights in every format, more rows and columns than a tile has.
TEST_P(MatmulTest, ProjectsThroughWeightsOfAnyFormat) {
  Random random(4);
  const int64_t rows = 300, in = 33, out = 700;
  const Values x(rows * in, GetParam(), random);
  std::vector<float> exact(static_cast<size_t>(out * in)), bias(static_cast<size_t>(out));
  for (float& w : exact)
    w = static_cast<float>(static_cast<int>(random.below(129)) - 64) / 64;  // exact in all formats
  for (float& b : bias) b = static_cast<float>(random.uniform());
  std::vector<uint16_t> half(exact.size());
  store(exact.data(), static_cast<int64_t>(exact.size()), Compute::kBF16, half.data());
  const model::Tensor b{"b", model::DType::kF32, {out}, reinterpret_cast<const std::byte*>(bias.data()), 0};
  const model::Tensor w32{
      "w", model::DType::kF32, {out, in}, reinterpret_cast<const std::byte*>(exact.data()), 0};
  const model::Tensor w16{
      "w", model::DType::kBF16, {out, in}, reinterpret_cast<const std::byte*>(half.data()), 0};
  for (const model::Tensor& w : {w32, w16}) {
    Machine machine(GetParam(), 2);
    std::vector<float> y(static_cast<size_t>(rows * out), 1.0f);
    const Matrix from{const_cast<std::byte*>(x.bytes.data()), GetParam(), in};
    project(machine, from, rows, model::Linear{w, b}, {y.data(), Compute::kF32, out}, Output::kAdd);
    double worst = 0;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t o = 0; o < out; ++o) {
        double expected = 1.0 + bias[static_cast<size_t>(o)];
        for (int64_t i = 0; i < in; ++i)
          expected += x.exact[static_cast<size_t>(r * in + i)] * exact[static_cast<size_t>(o * in + i)];
        worst = std::max(worst, std::abs(expected - y[static_cast<size_t>(r * out + o)]));
      }
    }
    EXPECT_LT(worst, 2e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, MatmulTest, testing::Values(Compute::kF32, Compute::kBF16),
                         [](const auto& one) { return one.param == Compute::kF32 ? "F32" : "BF16"; });

}  // namespace
}  // namespace committee::engine
