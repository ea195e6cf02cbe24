// Pinning plans and places against slow, obvious references.

#include "audit/pinning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <map>
#include <set>

#include "audit/make_trace.h"
#include "audit/pin_plans.h"
#include "audit/placement.h"
#include "base/error.h"

namespace committee::audit {
namespace {

using ::testing::ElementsAre;
using testing::made_trace;
using testing::MadeTrace;

// Executed slots of the samples that `use` picks, by domain: [cells].
std::map<std::string, std::vector<double>> slots_by_domain(const MadeTrace& made) {
  std::map<std::string, std::vector<double>> slots;
  const auto experts = static_cast<size_t>(made.experts);
  for (const auto& sample : made.samples) {
    auto& counts = slots[sample.domain];
    counts.resize(static_cast<size_t>(made.layers) * experts);
    for (const auto& row : sample.rows) {
      for (size_t l = 0; l < static_cast<size_t>(made.layers); ++l) {
        for (const auto id : made.best(&row.probs[l * experts])) ++counts[l * experts + id];
      }
    }
  }
  return slots;
}

double rate_of(const std::vector<double>& counts, const std::set<size_t>& kept) {
  double hits = 0;
  for (const size_t cell : kept) hits += counts[cell];
  return hits / std::accumulate(counts.begin(), counts.end(), 0.0);
}

double mean_rate(const std::map<std::string, std::vector<double>>& slots, const std::set<size_t>& kept) {
  double sum = 0;
  for (const auto& [domain, counts] : slots) sum += rate_of(counts, kept);
  return sum / static_cast<double>(slots.size());
}

// The best rate of all sets of `count` cells, by trying each.
double best_rate(const std::map<std::string, std::vector<double>>& slots, int count) {
  const size_t cells = slots.begin()->second.size();
  double best = 0;
  for (uint32_t set = 0; set < (1U << cells); ++set) {
    if (std::popcount(set) != count) continue;
    std::set<size_t> kept;
    for (size_t i = 0; i < cells; ++i) {
      if (set >> i & 1) kept.insert(i);
    }
    best = std::max(best, mean_rate(slots, kept));
  }
  return best;
}

std::set<size_t> cells_of(const PinResult& result, int experts) {
  std::set<size_t> cells;
  for (size_t l = 0; l < result.kept.size(); ++l) {
    for (const int id : result.kept[l])
      cells.insert(l * static_cast<size_t>(experts) + static_cast<size_t>(id));
  }
  return cells;
}

const PlanRates& plan_of(const PinResult& result, const std::string& name) {
  for (const auto& plan : result.plans) {
    if (plan.name == name) return plan;
  }
  throw Error("no plan {}", name);
}

TEST(Pinning, TheGlobalPlanIsTheOptimum) {
  auto made = made_trace({7, 12, 5}, 2, 11, 3);
  made.positions = "all";
  const auto trace = made.write("pin_optimum");
  const auto slots = slots_by_domain(made);
  for (const int count : {1, 3, 5, 8}) {
    const auto result = pin_experts(trace, {.bootstrap = 0}, {.experts = count});
    const auto kept = cells_of(result, made.experts);
    EXPECT_EQ(kept.size(), static_cast<size_t>(count));
    EXPECT_NEAR(result.rate, mean_rate(slots, kept), 1e-12);
    EXPECT_NEAR(result.rate, best_rate(slots, count), 1e-12) << count;
  }
}

TEST(Pinning, ADomainLeftOutIsNotSeen) {
  auto made = made_trace({9, 6, 8, 5}, 3, 5);
  const auto trace = made.write("pin_domains");
  const auto result = pin_experts(trace, {.bootstrap = 50}, {.experts = 4});
  const auto slots = slots_by_domain(made);
  double sum = 0;
  for (const auto& domain : result.domains) {
    auto others = slots;
    others.erase(domain.name);
    SlotShares train{made.layers, made.experts, made.top_k, 0.8, {}};
    for (const auto& [name, counts] : others) train.domains.push_back(counts);
    std::set<size_t> kept;
    for (const int32_t cell : choose_cells(train, PinPlan::kGlobal, 4))
      kept.insert(static_cast<size_t>(cell));
    EXPECT_NEAR(mean_rate(others, kept), best_rate(others, 4), 1e-12);
    EXPECT_NEAR(*domain.left_out, rate_of(slots.at(domain.name), kept), 1e-12) << domain.name;
    sum += *domain.left_out / 4;
  }
  const auto& global = result.plans.at(0);
  EXPECT_EQ(global.name, "global");
  EXPECT_NEAR(*global.domains.value, sum, 1e-12);
  EXPECT_LE(global.domains.interval->low, *global.domains.value);
  EXPECT_GE(global.domains.interval->high, *global.domains.value);
  EXPECT_LE(*global.samples.value, result.rate + 1e-12);  // the optimum of what it was made from
  // Domains prefer experts of their own: a domain's own set beats the common one, another domain's does not.
  const auto& own = plan_of(result, "per_domain");
  EXPECT_GT(*own.samples.value, *global.samples.value);
  EXPECT_LT(*own.domains.value, *own.samples.value);
  EXPECT_NEAR(*plan_of(result, "random").samples.value, 4.0 / 16, 1e-12);
}

TEST(Pinning, SameSeedSameResultWhateverTheThreads) {
  const auto made = made_trace({9, 6, 8}, 1, 3);
  const auto trace = made.write("pin_threads");
  const auto one = pin_experts(trace, {.bootstrap = 20, .seed = 4, .threads = 1}, {.experts = 5});
  const auto three = pin_experts(trace, {.bootstrap = 20, .seed = 4, .threads = 3}, {.experts = 5});
  ASSERT_EQ(one.plans.size(), 6u);
  for (size_t p = 0; p < one.plans.size(); ++p) {
    EXPECT_EQ(one.plans[p].samples.value, three.plans[p].samples.value);
    EXPECT_EQ(one.plans[p].samples.interval->low, three.plans[p].samples.interval->low);
    EXPECT_EQ(one.plans[p].domains.interval->high, three.plans[p].domains.interval->high);
  }
  EXPECT_EQ(one.kept, three.kept);
}

TEST(Pinning, OneDomainHasNoneToLeaveOut) {
  const auto trace = made_trace({6}, 1, 3).write("pin_one_domain");
  const auto result = pin_experts(trace, {.bootstrap = 0}, {.experts = 2});
  EXPECT_TRUE(result.plans[0].samples.value);
  EXPECT_FALSE(result.plans[0].domains.value);
  EXPECT_FALSE(result.plans[0].samples.interval);
}

TEST(Pinning, RefusesImpossibleNumbers) {
  const auto trace = made_trace({6, 6}, 1, 3).write("pin_numbers");
  EXPECT_THROW(pin_experts(trace, {}, {.experts = 0}), Error);
  EXPECT_THROW(pin_experts(trace, {}, {.experts = 17}), Error);
}

// Two layers of three experts; expert 1 of layer 0 is in every domain's top 1.
SlotShares small_shares() { return {2, 3, 1, 0.8, {{2, 5, 1, 4, 3, 1}, {3, 4, 1, 2, 1, 5}}}; }

TEST(PinPlans, ByHand) {
  const auto shares = small_shares();
  // Mean shares of 16: 2.5, 4.5, 1, 3, 2, 3 (cells 0..5).
  EXPECT_THAT(choose_cells(shares, PinPlan::kGlobal, 3), ElementsAre(1, 3, 5));
  EXPECT_THAT(choose_cells(shares, PinPlan::kGlobal, 4), ElementsAre(0, 1, 3, 5));
  EXPECT_THAT(choose_cells(shares, PinPlan::kEqualSplit, 2), ElementsAre(1, 3));
  EXPECT_THAT(choose_cells(shares, PinPlan::kEqualSplit, 3),
              ElementsAre(1, 3, 5));  // the odd one: the larger
  EXPECT_THAT(choose_cells(shares, PinPlan::kCommittee, 1), ElementsAre(1));
  EXPECT_THAT(choose_cells(shares, PinPlan::kGlobal, 6), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(PinPlans, FrequencyLetsLargeDomainsWeigh) {
  SlotShares shares{1, 2, 1, 0.8, {{100, 0}, {0, 1}, {0, 1}}};
  EXPECT_THAT(choose_cells(shares, PinPlan::kGlobal, 1), ElementsAre(1));
  EXPECT_THAT(choose_cells(shares, PinPlan::kFrequency, 1), ElementsAre(0));
}

TEST(PinPlans, CommitteesComeFirst) {
  // Expert 0 of layer 1 leads in both domains; layer 0 has larger shares and no common expert.
  SlotShares shares{2, 2, 1, 1.0, {{9, 1, 3, 2}, {1, 9, 3, 2}}};
  EXPECT_THAT(choose_cells(shares, PinPlan::kCommittee, 1), ElementsAre(2));
  EXPECT_THAT(choose_cells(shares, PinPlan::kGlobal, 1), ElementsAre(0));
}

TEST(Placement, CountsAreExecutedSlots) {
  const auto made = made_trace({4, 7}, 1, 9);
  const auto counts = slot_counts(made.write("slot_counts"), {});
  std::vector<double> expected(counts.size());
  for (const auto& [domain, slots] : slots_by_domain(made)) {
    for (size_t i = 0; i < slots.size(); ++i) expected[i] += slots[i];
  }
  EXPECT_EQ(counts, expected);
}

TEST(Placement, ByHand) {
  // Expert 2 is copied (60 → 30 + 30); heaviest first to the least loaded device with room.
  const std::vector<double> loads = {20, 10, 60};
  EXPECT_THAT(place_experts(loads, 4, 2), ElementsAre(2, 0, 2, 1));
  EXPECT_THAT(place_experts(loads, 3, 1), ElementsAre(2, 0, 1));
  const auto places = place_experts(loads, 6, 3);
  for (int e = 0; e < 3; ++e) EXPECT_GE(std::count(places.begin(), places.end(), e), 1);
}

}  // namespace
}  // namespace committee::audit
