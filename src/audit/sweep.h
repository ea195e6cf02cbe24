#pragma once

#include <vector>

#include "audit/options.h"
#include "audit/result.h"
#include "trace/reader.h"

namespace committee::audit {

// METHOD 7, re-ranked: the committees that the recorded contributions give at other budgets k.
struct SweepLayer {
  int layer = 0;
  std::vector<int> committee;
  Figure size, coverage_topk, ratio_topk;
  Figure retention;  // |C_k ∩ C| / |C| of the committee C at the reference budget; floor: |C_k|/E, of random
                     // sets
};
struct SweepBudget {
  int k = 0;
  std::vector<SweepLayer> layers;
  Figure retention;  // mean over the layers with a committee at the reference budget
};
struct SweepResult {
  AuditOptions options;
  trace::ModelInfo model;
  int reference_k = 0;               // options.k, else the model's own
  std::vector<SweepBudget> budgets;  // in the order asked for
};

// Intervals and permuted values come from options.bootstrap and options.permutations replicates. Throws Error
// as audit() does, and for a budget outside 1..E.
SweepResult sweep(const trace::Trace& trace, const AuditOptions& options, const std::vector<int>& budgets);

}  // namespace committee::audit
