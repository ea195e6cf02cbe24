#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "audit/options.h"
#include "audit/result.h"
#include "interventions/analysis.h"

// METHOD 8's consequences, as far as a trace tells them: how unbalanced the load is, over all tokens and
// inside domains, and what perfect balance would move and lose.
namespace committee::balance {

struct BalanceOptions {
  audit::AuditOptions audit;  // positions, grouping, bootstrap, permutations, seed, threads
  double tolerance = 0.05;    // of every expert's load about the uniform one
  int max_passes = 400;       // over the trace, in search of biases
};

// One domain of one layer.
struct DomainBalance {
  audit::Figure balance_loss = {};  // E·Σ f·P̄ over the domain's tokens
  double slots_moved = 0, mass_lost = 0;
};

struct LayerBalance {
  int layer = 0;
  audit::Figure balance_loss = {};  // E·Σ_i f_i·P̄_i over all tokens; floor 1, the uniform load's
  audit::Figure balance_loss_within_domain = {};   // mean over domains; permuted: with their labels shuffled
  audit::Figure slots_moved = {};                  // share of the executed slots that go to another expert
  audit::Figure mass_lost = {};                    // mean of Σ_S G - Σ_S' G
  double executed_mass = 0;                        // mean of Σ_S G
  double worst_load = 0, worst_load_balanced = 0;  // largest |load / uniform - 1|
  double balance_loss_balanced = 0;                // with the balanced sets S'
  bool converged = false;                          // worst_load_balanced ≤ tolerance
  int passes = 0;
  double rule_agrees = 0;              // share of tokens whose recorded set is the top k of G
  std::vector<float> biases = {};      // [E] added to G for selection only, mean 0
  std::vector<double> frequency = {};  // [E] share of tokens that execute the expert
  std::vector<DomainBalance> domains = {};
};

struct BalanceResult {
  BalanceOptions options;
  trace::ModelInfo model;
  std::string positions;
  int64_t samples = 0, rows = 0;
  std::vector<audit::Domain> domains;
  std::vector<LayerBalance> layers;
};

// A set of experts executed for every recorded token, the other slots by the recorded scores: what that moves
// and loses in its layers (METHOD 8's always-on core, as far as a trace tells it).
struct AlwaysCost {
  interventions::ExpertSet set;
  audit::Figure slots_moved = {};  // share of the executed slots that go to another expert
  audit::Figure mass_lost = {};    // mean over tokens and layers of Σ_S G - Σ_S' G
  // (r + 1) / (N + 1), r of the N controls that lose at most as much mass; nothing without any.
  std::optional<double> p_random = {}, p_matched = {};
};

}  // namespace committee::balance
