#include "audit/replicate_kernels.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "audit/geometry.h"
#include "audit/layer_vectors.h"
#include "audit/tile_matrix.h"
#include "base/random.h"

namespace committee::audit::kernels {
namespace {

std::vector<float> floats(size_t n, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(n);
  for (float& x : values) x = static_cast<float>(random.uniform() - 0.3);
  return values;
}

// Sizes around every vector width and block, with and without a rest.
class ReplicateSizes : public ::testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, ReplicateSizes, ::testing::Values(1, 3, 8, 12, 15, 16, 17, 31, 64, 131, 300));

TEST_P(ReplicateSizes, AddUnits) {
  constexpr size_t kRows = 40, kSegments = 5;
  const auto tile = floats(kRows * kTileWidth, 6);
  std::vector<int32_t> places, segments;
  Random random(7);
  for (size_t i = 0; i < GetParam(); ++i) segments.push_back(static_cast<int32_t>(random.below(kSegments)));
  for (size_t i = 0; i < GetParam() * kUnit; ++i) {
    places.push_back(static_cast<int32_t>(random.below(kRows) * kTileWidth));
  }
  std::vector<float> sums(kSegments * kTileWidth, 9);
  std::vector<double> expected(sums.size(), 9);
  add_units(tile.data(), places, segments, sums.data());
  for (size_t i = 0; i < places.size(); ++i) {
    for (size_t c = 0; c < kTileWidth; ++c)
      expected[segments[i / kUnit] * kTileWidth + c] += tile[places[i] + c];
  }
  for (size_t i = 0; i < sums.size(); ++i) EXPECT_NEAR(sums[i], expected[i], 1e-4);
}

TEST_P(ReplicateSizes, AddWeightedRows) {
  const size_t count = GetParam(), rows = 37, stride = 40, next = (rows + 3) * kTileWidth;
  for (const size_t tiles : {1U, 2U}) {
    const size_t width = tiles * kTileWidth, out_stride = width + 3;
    const auto tile = floats(2 * next, 6), times = floats(count * stride, 7);
    std::vector<double> out(count * out_stride, 5);
    add_weighted_rows({tile.data(), next, tiles, rows, times.data(), stride, count}, out.data(), out_stride);
    for (size_t r = 0; r < count; ++r) {
      for (size_t c = 0; c < out_stride; ++c) {
        double sum = 5;
        for (size_t i = 0; i < rows && c < width; ++i) {
          sum += static_cast<double>(times[r * stride + i]) *
                 tile[c / kTileWidth * next + i * kTileWidth + c % kTileWidth];
        }
        EXPECT_NEAR(out[r * out_stride + c], sum, 1e-5);
      }
    }
  }
}

TEST_P(ReplicateSizes, MultiplyPairs) {
  constexpr size_t kPairs = 11;
  const size_t rows = GetParam();
  Random random(8);
  for (const size_t domains : {1U, 2U, 3U, 5U, 7U}) {
    std::vector<std::array<int16_t, 2>> a(rows * kPairs), b(domains * kPairs * kLanes);
    for (auto* all : {&a, &b}) {
      for (auto& pair : *all) {
        for (int16_t& x : pair) x = static_cast<int16_t>(static_cast<int64_t>(random.below(8001)) - 4000);
      }
    }
    a[0] = {-32768, 32767};
    b[0] = {20000, -32768};
    const auto paired = [](const auto& all) {
      std::vector<int32_t> result;
      for (const auto& [first, second] : all) result.push_back(pair_of(first, second));
      return result;
    };
    std::vector<int32_t> out(domains * rows * kLanes, 99);
    multiply_pairs(paired(a).data(), rows, kPairs, paired(b).data(), domains, out.data());
    for (size_t i = 0; i < out.size(); ++i) {
      const size_t lane = i % kLanes, row = i / kLanes % rows, domain = i / kLanes / rows;
      int64_t sum = 0;
      for (size_t p = 0; p < kPairs; ++p) {
        const auto &x = a[row * kPairs + p], &y = b[(domain * kPairs + p) * kLanes + lane];
        sum += int64_t{x[0]} * y[0] + int64_t{x[1]} * y[1];
      }
      EXPECT_EQ(out[i], sum) << domain << ' ' << row << ' ' << lane;
    }
  }
}

TEST_P(ReplicateSizes, AddShiftedRows) {
  constexpr size_t kRows = 7;
  const size_t n = GetParam();
  const auto rows = floats(kRows * 2 * n, 10);
  Random random(11);
  std::vector<int32_t> shifts;
  for (size_t i = 0; i < kRows; ++i) shifts.push_back(static_cast<int32_t>(random.below(n)));
  shifts[1] = static_cast<int32_t>(n) - 1;
  std::vector<double> sums(n, 1);
  add_shifted_rows(rows.data(), n, shifts, sums.data());
  for (size_t c = 0; c < n; ++c) {
    double sum = 1;
    for (size_t i = 0; i < kRows; ++i) sum += rows[i * 2 * n + shifts[i] + c];
    EXPECT_NEAR(sums[c], sum, 1e-6);
  }
}

// Against geometry.h's silhouette, for distances as they are: under the bootstrap a row's domain is the same
// in all lanes, under permutations not.
TEST(ReplicateKernels, AddSilhouettes) {
  constexpr size_t kRows = 5, kDomains = 3;
  const std::vector<float> counts = {4, 1, 9};
  const std::vector<int64_t> exact_counts = {4, 1, 9};
  Random random(11);
  std::vector<int32_t> products(kDomains * kRows * kLanes), labels(kRows * kLanes), own(kRows);
  for (int32_t& x : products) x = static_cast<int32_t>(random.below(1000)) - 300;
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int32_t>(i % kDomains);
  for (size_t i = 0; i < own.size(); ++i) own[i] = static_cast<int32_t>(i % kDomains);
  const auto row_scale = floats(kRows, 12), scale = floats(kDomains * kLanes, 13),
             base = floats(kDomains * kLanes, 14);
  const auto near = floats(kDomains * kRows, 15);
  for (const bool same_in_lanes : {true, false}) {
    const SilhouetteSums in{.rows = kRows,
                            .domains = kDomains,
                            .products = products.data(),
                            .row_scale = row_scale.data(),
                            .near = near.data(),
                            .near_stride = same_in_lanes ? kRows : 0,
                            .base = base.data(),
                            .scale = scale.data(),
                            .counts = counts.data(),
                            .own = same_in_lanes ? own.data() : nullptr,
                            .labels = labels.data(),
                            .copies = nullptr};
    std::vector<float> sums(kDomains * kLanes, 2);
    add_silhouettes(in, sums.data());
    for (size_t lane = 0; lane < kLanes; ++lane) {
      std::vector<double> expected(kDomains, 2);
      for (size_t i = 0; i < kRows; ++i) {
        const int32_t domain = same_in_lanes ? own[i] : labels[i * kLanes + lane];
        std::vector<double> dots;
        for (size_t t = 0; t < kDomains; ++t) {
          const double distance = static_cast<double>(near[t * in.near_stride + i]) -
                                  base[t * kLanes + lane] -
                                  static_cast<double>(products[(t * kRows + i) * kLanes + lane]) *
                                      row_scale[i] * scale[t * kLanes + lane];
          dots.push_back((1 - std::max(0.0, distance)) * counts[t]);
        }
        // What geometry.h takes the sample's own distance of 0 out of.
        expected[domain] += silhouette(dots, exact_counts, domain);
      }
      for (size_t t = 0; t < kDomains; ++t) EXPECT_NEAR(sums[t * kLanes + lane], expected[t], 2e-5);
    }
  }
}

// Drawn twice, a sample is no neighbour of itself; drawn never, it does not count; alone in its domain it is
// 0.
TEST(ReplicateKernels, AddSilhouettesOfCopies) {
  const std::vector<int32_t> products(2 * kLanes, 0), own = {0};
  const std::vector<float> row_scale = {1}, scale(2 * kLanes, 1), base(2 * kLanes, 0), near = {0.5F, 0.8F},
                           counts = {5, 3};
  std::vector<float> copies(kLanes, 1), sums(2 * kLanes);
  copies[1] = 2;
  copies[2] = 0;
  copies[3] = 5;
  add_silhouettes({1, 2, products.data(), row_scale.data(), near.data(), 1, base.data(), scale.data(),
                   counts.data(), own.data(), nullptr, copies.data()},
                  sums.data());
  const auto expected = [](double a, double b) { return (b - a) / std::max(a, b); };
  EXPECT_NEAR(sums[0], expected(0.5 * 5 / 4, 0.8), 1e-6);
  EXPECT_NEAR(sums[1], 2 * expected(0.5 * 5 / 3, 0.8), 1e-6);
  EXPECT_EQ(sums[2], 0);
  EXPECT_EQ(sums[3], 0);
  for (size_t lane = 0; lane < kLanes; ++lane) EXPECT_EQ(sums[kLanes + lane], 0);
}

TEST(Pairs, AreTheVectorWithinHalfAStep) {
  std::vector<double> vector;
  for (const float x : floats(9, 16)) vector.push_back(x * 1e-3);
  std::vector<int32_t> out(pairs_of(9), 99);
  ASSERT_EQ(out.size(), 5u);
  const auto scale = static_cast<double>(to_pairs(vector, out));
  double square = 0;
  for (size_t i = 0; i < 10; ++i) {
    const auto number = static_cast<int16_t>(i % 2 == 0 ? out[i / 2] & 0xFFFF : out[i / 2] >> 16);
    EXPECT_NEAR(number * scale, i < 9 ? vector[i] : 0, 0.501 * scale);
    square += number * number;
  }
  EXPECT_NEAR(std::sqrt(square), 32000, 3);
  EXPECT_EQ(to_pairs(std::vector<double>(9, 0.0), out), 0);
  EXPECT_EQ(out[0], 0);
}

TEST(TileMatrix, SumsOfRows) {
  constexpr int64_t kRows = 3000;
  const std::vector<int64_t> starts = {0, 1300, 1301, kRows};
  ThreadPool pool(2);
  for (const int columns : {1, 16, 17, 48, 80}) {
    TileMatrix matrix(kRows, columns);
    EXPECT_EQ(matrix.width() % 16, 0);
    const auto values = floats(kRows * columns, 17);
    for (int64_t i = 0; i < kRows; ++i) matrix.set_row(i, std::span(values).subspan(i * columns, columns));
    EXPECT_EQ(matrix.at(kRows - 1, columns - 1), values.back());
    // Every other row to the first segment, and so on: ascending inside each.
    std::vector<int32_t> lists(2 * kRows);
    std::vector<float> times(2 * kRows);
    for (int64_t i = 0; i < kRows; ++i) {
      lists[i] = lists[kRows + i] = static_cast<int32_t>(i);
      times[i] = static_cast<float>(i % 3);
      times[kRows + i] = 1;
    }
    std::rotate(lists.begin() + kRows, lists.begin() + kRows + 1700, lists.end());
    const SegmentRows rows(lists, 2, starts, pool);
    const auto segments = matrix.segment_sums(rows, 0, 2, pool),
               weighted = matrix.weighted_sums(times, 2, starts, pool);
    EXPECT_EQ(
        matrix.segment_sums(rows, 1, 1, pool),
        std::vector<double>(segments.begin() + static_cast<int64_t>(segments.size() / 2), segments.end()));
    for (int r = 0; r < 2; ++r) {
      for (size_t s = 0; s < 3; ++s) {
        for (int c = 0; c < matrix.width(); ++c) {
          double sum = 0, counted = 0;
          for (int64_t i = starts[s]; i < starts[s + 1] && c < columns; ++i) {
            sum += values[lists[r * kRows + i] * columns + c];
            counted += static_cast<double>(times[r * kRows + i]) * values[i * columns + c];
          }
          const size_t at = (r * 3 + s) * matrix.width() + c;
          EXPECT_NEAR(segments[at], sum, 1e-6 * std::max(sum, 1.0));
          EXPECT_NEAR(weighted[at], counted, 1e-6 * std::max(counted, 1.0));
        }
      }
    }
  }
}

}  // namespace
}  // namespace committee::audit::kernels
