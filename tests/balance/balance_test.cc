#include "balance/balance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "audit/make_trace.h"
#include "balance/biases.h"
#include "base/error.h"

namespace committee::balance {
namespace {

using audit::testing::made_trace;

TEST(Select, IsTheTopKTiesLowerIdFirst) {
  Random random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<float> scores(20), bias(20);
    for (float& s : scores) s = static_cast<float>(random.below(6)) / 8;
    for (float& b : bias) b = static_cast<float>(random.below(3)) / 8;
    std::vector<uint16_t> ids(5), order(20);
    std::iota(order.begin(), order.end(), uint16_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return scores[a] + bias[a] > scores[b] + bias[b]; });
    order.resize(5);
    select(scores, bias, ids);
    EXPECT_EQ(ids, order);
  }
}

BalanceOptions options_for() {
  BalanceOptions options;
  options.audit.bootstrap = options.audit.permutations = 50;
  return options;
}

TEST(Balance, LossIsItsDefinitionAndBiasesBalance) {
  auto made = made_trace({20, 30}, 1.0, 5, 20);
  made.positions = "all";
  const auto trace = made.write("balance");
  const auto result = balance(trace, options_for());
  const auto& layer = result.layers[1];
  // By a loop over the rows.
  std::vector<double> f(8), p(8), load(8);
  double rows = 0, moved = 0, lost = 0;
  for (const auto& sample : made.samples) {
    for (const auto& row : sample.rows) {
      const float* g = &row.probs[8];
      std::vector<uint16_t> ids(2);
      select({g, 8}, layer.biases, ids);
      for (int e = 0; e < 8; ++e) p[e] += g[e];
      for (const int id : made.best(g)) {
        ++f[id];
        lost += g[id];
        moved += std::find(ids.begin(), ids.end(), id) == ids.end();
      }
      for (const int id : ids) {
        ++load[id];
        lost -= g[id];
      }
      ++rows;
    }
  }
  double loss = 0;
  for (int e = 0; e < 8; ++e) loss += 8 * (f[e] / (2 * rows)) * (p[e] / rows);
  EXPECT_NEAR(*layer.balance_loss.value, loss, 1e-5);
  EXPECT_NEAR(*layer.slots_moved.value, moved / (2 * rows), 1e-6);
  EXPECT_NEAR(*layer.mass_lost.value, lost / rows, 1e-5);
  EXPECT_GT(layer.worst_load, 0.5);
  EXPECT_TRUE(layer.converged);
  for (const double n : load) EXPECT_NEAR(n / (2 * rows / 8), 1, 0.05);
  EXPECT_EQ(layer.rule_agrees, 1);
  EXPECT_TRUE(layer.balance_loss.bootstrap->low < loss && loss < layer.balance_loss.bootstrap->high);
  EXPECT_LT(layer.balance_loss_within_domain.permuted->p_value, 0.05);  // the domains prefer other experts
  EXPECT_LT(layer.balance_loss_balanced, loss);
}

TEST(Balance, SaysWhereItCannot) {
  // Every token has the same scores: whatever the biases, the same two experts run.
  auto made = made_trace({5, 5}, 0, 6, 4);
  made.positions = "all";
  const auto probs = made.samples[0].rows[0].probs;
  for (auto& sample : made.samples) {
    for (auto& row : sample.rows) row.probs = probs;
  }
  const auto result = balance(made.write("balance_same"), options_for());
  for (const auto& layer : result.layers) {
    EXPECT_FALSE(layer.converged);
    EXPECT_NEAR(layer.worst_load_balanced, 3, 1e-9);  // four times the uniform load
    EXPECT_LE(layer.passes, 102);
  }
}

TEST(Balance, ThreadsChangeNothing) {
  auto made = made_trace({20, 30}, 1.0, 7, 15);
  made.positions = "all";
  const auto trace = made.write("balance_threads");
  auto options = options_for();
  const auto one = balance(trace, options);
  options.audit.threads = 3;
  const auto three = balance(trace, options);
  for (size_t l = 0; l < one.layers.size(); ++l) {
    EXPECT_EQ(one.layers[l].biases, three.layers[l].biases);
    EXPECT_EQ(one.layers[l].mass_lost.value, three.layers[l].mass_lost.value);
    EXPECT_EQ(one.layers[l].balance_loss.bootstrap->low, three.layers[l].balance_loss.bootstrap->low);
  }
}

TEST(Balance, RefusesExecutedExpertsAlone) {
  auto made = made_trace({4, 4}, 0, 8, 2);
  made.record = trace::Record::kTopK;
  try {
    balance(made.write("balance_topk"), options_for());
    FAIL();
  } catch (const Error& problem) {
    EXPECT_THAT(problem.what(), testing::HasSubstr("--record full"));
  }
}

}  // namespace
}  // namespace committee::balance
