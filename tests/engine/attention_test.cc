#include "engine/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/random.h"
#include "engine/ops.h"

namespace committee::engine {
namespace {

struct Case {
  AttentionShape shape;
  int64_t keys = 0;  // rows of keys and values
  std::vector<QuerySpan> spans;
};

int64_t query_rows(const Case& c) {
  int64_t rows = 0;
  for (const QuerySpan& span : c.spans) rows = std::max(rows, span.row + span.rows);
  return rows;
}

std::vector<float> random_matrix(int64_t count, Random& random) {
  std::vector<float> x(static_cast<size_t>(count));
  for (float& value : x) value = static_cast<float>(random.uniform() * 4 - 2);
  return x;
}

// A matrix of `heads` parts a row, head after head in a format, and behind it slack of huge numbers that must
// not matter.
std::vector<std::byte> stored(const std::vector<float>& x, int64_t heads, int64_t dim, Compute type) {
  std::vector<float> all;
  for (int64_t h = 0; h < heads; ++h) {
    for (auto row = x.begin(); row != x.end(); row += heads * dim)
      all.insert(all.end(), row + h * dim, row + (h + 1) * dim);
  }
  all.resize(x.size() + static_cast<size_t>(kKeySlack * dim), 1e30f);
  std::vector<std::byte> bytes(all.size() * size_of(type));
  store(all.data(), static_cast<int64_t>(all.size()), type, bytes.data());
  return bytes;
}

double worst_difference(const Case& c, Compute type, int threads) {
  Random random(11);
  const AttentionShape& s = c.shape;
  const int64_t rows = query_rows(c), q_width = s.heads * s.qk_dim, k_width = s.kv_heads * s.qk_dim,
                v_width = s.kv_heads * s.v_dim, out_width = s.heads * s.v_dim;
  const auto q = random_matrix(rows * q_width, random), k = random_matrix(c.keys * k_width, random),
             v = random_matrix(c.keys * v_width, random);
  auto q_bytes = stored(q, 1, q_width, type), k_bytes = stored(k, s.kv_heads, s.qk_dim, type),
       v_bytes = stored(v, s.kv_heads, s.v_dim, type);
  std::vector<std::byte> out(static_cast<size_t>(rows * out_width) * size_of(type));
  Machine machine(type, threads);
  attend(machine, s, c.spans, {q_bytes.data(), type, q_width},
         {{k_bytes.data(), type, s.qk_dim}, c.keys * s.qk_dim},
         {{v_bytes.data(), type, s.v_dim}, c.keys * s.v_dim}, {out.data(), type, out_width});
  const model::Tensor result{"",
                             type == Compute::kF32 ? model::DType::kF32 : model::DType::kBF16,
                             {rows * out_width},
                             out.data(),
                             0};
  const std::vector<float> found = load_all(result);

  double worst = 0;
  for (const QuerySpan& span : c.spans) {
    for (int64_t i = 0; i < span.rows; ++i) {
      std::vector<int64_t> seen;
      for (const KeyRange& range : span.context)
        for (int64_t j = 0; j < range.count; ++j) seen.push_back(range.begin + j);
      for (int64_t j = 0; j <= span.own_before + i; ++j) seen.push_back(span.own_begin + j);
      for (int64_t h = 0; h < s.heads; ++h) {
        const int64_t kv = h / (s.heads / s.kv_heads);
        std::vector<double> score;
        for (const int64_t j : seen) {
          double dot = 0;
          for (int64_t x = 0; x < s.qk_dim; ++x)
            dot += double{q[static_cast<size_t>((span.row + i) * q_width + h * s.qk_dim + x)]} *
                   k[static_cast<size_t>(j * k_width + kv * s.qk_dim + x)];
          score.push_back(s.scale * dot);
        }
        const double most = *std::max_element(score.begin(), score.end());
        double total = 0;
        for (double& value : score) total += value = std::exp(value - most);
        for (int64_t x = 0; x < s.v_dim; ++x) {
          double expected = 0;
          for (size_t j = 0; j < seen.size(); ++j)
            expected += score[j] / total * v[static_cast<size_t>(seen[j] * v_width + kv * s.v_dim + x)];
          worst = std::max(
              worst,
              std::abs(expected - found[static_cast<size_t>((span.row + i) * out_width + h * s.v_dim + x)]));
        }
      }
    }
  }
  return worst;
}

std::vector<Case> cases() {
  return {
      {{1, 1, 3, 5, 0.6}, 1, {{0, 1, {}, 0, 0}}},
      {{4, 2, 10, 6, 0.4}, 37, {{0, 37, {}, 0, 0}}},
      // Longer than blocks of queries and keys.
      {{2, 1, 8, 8, 0.5}, 600, {{0, 600, {}, 0, 0}}},
      // A tree: a prefix of 300 rows, one of 5, and what follows them, apart in memory; queries of some only.
      {{6, 2, 7, 9, 0.5},
       400,
       {{0, 3, {{0, 300}}, 310, 2}, {3, 70, {{0, 300}, {300, 5}}, 320, 0}, {73, 1, {}, 0, 299}}},
      // Single new tokens over kept keys.
      {{3, 3, 4, 4, 1}, 60, {{0, 1, {{0, 20}}, 40, 3}, {1, 1, {{0, 33}}, 50, 0}}}};
}

TEST(Attention, EqualsSoftmaxOverTheKeysSeen) {
  for (const Case& c : cases()) EXPECT_LT(worst_difference(c, Compute::kF32, 2), 3e-6) << c.keys;
}

TEST(Attention, IsCloseInBF16) {
  if (!can_compute(Compute::kBF16)) GTEST_SKIP() << "this processor cannot multiply bf16";
  for (const Case& c : cases()) EXPECT_LT(worst_difference(c, Compute::kBF16, 1), 0.12) << c.keys;
}

}  // namespace
}  // namespace committee::engine
