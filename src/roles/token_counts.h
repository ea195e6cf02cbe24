#pragma once

#include <cstdint>
#include <vector>

#include "audit/sample_reader.h"
#include "base/thread_pool.h"
#include "roles/classes.h"
#include "roles/result.h"
#include "roles/token_rows.h"

namespace committee::roles {

// How often each token of each domain runs each expert, for a range of layers: counts [layers, P, E].
struct CountTable {
  audit::LayerRange layers;
  size_t pairs = 0, experts = 0;
  std::vector<uint32_t> counts;

  std::span<const uint32_t> of(int layer) const {
    return std::span(counts).subspan((layer - layers.first) * pairs * experts, pairs * experts);
  }
};

// What a layer's counts say of every expert's tokens.
struct TokenFigures {
  std::vector<double> information;  // [E] I(token; runs the expert), bits, plug-in
  std::vector<int64_t> marked;      // [E] tokens that the marking rule marks
  std::vector<int64_t> slots;       // [E] tokens that run it
};

// i·ln i of counts, tabled where they are small.
class CountLogs {
 public:
  CountLogs();
  double operator()(int64_t i) const {
    return i < static_cast<int64_t>(table_.size()) ? table_[i] : computed(i);
  }

 private:
  static double computed(int64_t i);
  std::vector<double> table_;
};
TokenFigures token_figures(const TokenRows& rows, std::span<const uint32_t> counts, int experts,
                           const RolesOptions& options, const CountLogs& logs);

// Sums over samples, for one layer, of each expert's and class's slots against what the sample's own margins
// give when its tokens are dealt anew (Cochran-Mantel-Haenszel with samples as strata).
struct Stratified {
  double slots = 0, deviation = 0, variance = 0, third = 0;  // Σ a, Σ (a-E a), Σ Var a, Σ E(a-E a)³
  double squares = 0, cross = 0, variance_squares = 0;       // Σ t², Σ t·Var, Σ Var², t = a - E a
  int64_t strata = 0;                                        // with a variance

  // Two-sided p-value. Tokens of a sample depend on each other: where the samples' deviations scatter more
  // than dealing tokens anew would make them, variance and skewness are widened by that factor.
  std::optional<double> p_value() const;
};

// One pass over the trace: counts a table, with the tokens shuffled inside each sample where `shuffle` is not
// 0 (the shuffle's number), and sums the strata [layers][E·classes] where `strata` is given.
void count(const TokenRows& rows, uint64_t seed, int shuffle, CountTable& table, const TokenClasses* classes,
           std::vector<std::vector<Stratified>>* strata, ThreadPool& pool);

}  // namespace committee::roles
