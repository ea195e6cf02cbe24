#pragma once

#include <functional>
#include <span>
#include <vector>

#include "audit/grouping.h"
#include "base/thread_pool.h"
#include "roles/result.h"

namespace committee::roles {

// One layer's executed slots by sample and what shuffling the samples' domain labels makes of them.
struct LayerSlots {
  std::span<const float> slots;  // [N, E]
  int experts;
  const audit::Grouping& grouping;
};

// Slots [T, E] by domain.
std::vector<double> slots_by_domain(const LayerSlots& layer);

// Exact variance and third moment of a domain's slots of one expert beyond its share of the domain's slots,
// Σ_{s∈d} (x_s - ρ·m_s), when its N_d samples are drawn anew from all N without replacement:
// N_d(N-N_d)/(N(N-1))·Σu², N_d(N-N_d)(N-2N_d)/(N(N-1)(N-2))·Σu³ with u = x - ρ·m, which sums to 0.
class DomainTest {
 public:
  explicit DomainTest(const LayerSlots& layer);
  // Two-sided p-values [E, T] of slots [T, E], as observed or relabelled.
  std::vector<std::optional<double>> p_values(std::span<const double> by_domain) const;

 private:
  int experts_;
  std::vector<int64_t> samples_;         // [T]
  std::vector<double> share_;            // [E] ρ
  std::vector<double> squares_, cubes_;  // [E]
};

// The parts of I(domain; expert of a slot), bits a slot.
struct Information {
  double total = 0, inside = 0, outside = 0, slots_inside = 0;  // the last is a share
};
Information information(std::span<const double> by_domain, int experts, std::span<const int> set);

// ln((a+½)(d+½)/((b+½)(c+½))).
double log_odds(double a, double b, double c, double d);

// Slots [T, E] of every domain permutation, in order.
void for_each_permutation(const LayerSlots& layer, int replicates, uint64_t seed, ThreadPool& pool,
                          const std::function<void(int replicate, std::span<const double> by_domain)>& visit);

}  // namespace committee::roles
