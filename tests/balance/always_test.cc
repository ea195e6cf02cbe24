#include "balance/always.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/make_trace.h"
#include "base/error.h"

namespace committee::balance {
namespace {

using audit::testing::made_trace;
using interventions::ExpertSet;
using interventions::Kind;

TEST(AlwaysOn, CostsAreThoseOfALoopOverTheRows) {
  auto made = made_trace({12, 9}, 1.0, 3, 6);
  made.positions = "all";
  audit::AuditOptions options;
  options.bootstrap = 40;
  ExpertSet set{"given", Kind::kGiven, {{2, {6}}}};
  std::vector<ExpertSet> sets = {set};
  for (const int e : {1, 2, 7}) {
    ExpertSet control{"control", Kind::kMatched, {{2, {e}}}};
    control.target = 0;
    sets.push_back(control);
  }
  const auto costs = always_on(made.write("always"), options, sets);
  int as_little = 0;
  for (size_t i = 0; i < sets.size(); ++i) {
    const int member = sets[i].experts.at(2)[0];
    double rows = 0, moved = 0, lost = 0;
    for (const auto& sample : made.samples) {
      for (const auto& row : sample.rows) {
        const float* g = &row.probs[8];
        const auto best = made.best(g);
        ++rows;
        if (best[0] == member || best[1] == member) continue;
        ++moved;  // the weaker one of the two makes room
        lost += static_cast<double>(g[best[1]]) - static_cast<double>(g[member]);
      }
    }
    EXPECT_NEAR(*costs[i].slots_moved.value, moved / (2 * rows), 1e-12);
    EXPECT_NEAR(*costs[i].mass_lost.value, lost / rows, 1e-12);
    EXPECT_LT(costs[i].mass_lost.bootstrap->low, lost / rows);
    EXPECT_GT(costs[i].mass_lost.bootstrap->high, lost / rows);
    if (i > 0) as_little += *costs[i].mass_lost.value <= *costs[0].mass_lost.value;
  }
  EXPECT_DOUBLE_EQ(*costs[0].p_matched, (as_little + 1) / 4.0);
  EXPECT_FALSE(costs[0].p_random.has_value());
  options.threads = 3;
  const auto again = always_on(made.write("always_threads"), options, sets);
  for (size_t i = 0; i < sets.size(); ++i) {
    EXPECT_EQ(again[i].mass_lost.value, costs[i].mass_lost.value);
    EXPECT_EQ(again[i].mass_lost.bootstrap->low, costs[i].mass_lost.bootstrap->low);
  }
}

TEST(AlwaysOn, RefusesWhatNoTokenCanExecute) {
  const trace::ModelInfo model{
      .name = "m", .model_type = "m", .fingerprint = "m", .moe_layers = {1, 2}, .experts = 8, .top_k = 2};
  const auto refusal = [&](int layer, const std::vector<int>& ids) {
    try {
      check_always({"given", Kind::kGiven, {{layer, ids}}}, model);
    } catch (const Error& problem) {
      return std::string(problem.what());
    }
    return std::string();
  };
  EXPECT_EQ(refusal(1, {0, 7}), "");
  EXPECT_THAT(refusal(3, {0}), testing::HasSubstr("layer 3"));
  EXPECT_THAT(refusal(1, {8}), testing::HasSubstr("no expert 8"));
  EXPECT_THAT(refusal(1, {1, 2, 3}), testing::HasSubstr("more than the 2"));
}

}  // namespace
}  // namespace committee::balance
