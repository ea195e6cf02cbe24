#pragma once

#include <vector>

#include "audit/options.h"
#include "audit/result.h"
#include "trace/reader.h"

namespace committee::audit {

// METHOD 7: committees at other budgets k, re-ranked from what a trace recorded, or of traces for which the
// model executed k experts.
enum class SweepMode { kRerank, kRerun };
const char* name_of(SweepMode mode);

struct SweepLayer {
  int layer = 0;
  std::vector<int> committee;
  Figure size, coverage_topk, ratio_topk;
  Figure retention;  // |C_k ∩ C| / |C| of the committee C at the reference budget; floor: |C_k|/E, of random
                     // sets
};
struct SweepBudget {
  int k = 0;
  SweepMode mode = SweepMode::kRerank;
  std::vector<SweepLayer> layers;
  Figure retention;  // mean over the layers with a committee at the reference budget

  int layers_with_committee() const;
};
struct SweepResult {
  AuditOptions options;
  trace::ModelInfo model;
  int reference_k = 0;               // options.k, else the model's own
  std::vector<SweepBudget> budgets;  // re-ranked ones in the order asked for, then the reruns
};

// The same samples, read with k experts executed. The trace outlives the sweep.
struct Rerun {
  int k = 0;
  const trace::Trace* trace = nullptr;
};

// Intervals and permuted values come from options.bootstrap and options.permutations replicates, the same
// draws for all budgets and reruns. Throws Error as audit() does, for a budget outside 1..E, and for a rerun
// of other samples.
SweepResult sweep(const trace::Trace& trace, const AuditOptions& options, const std::vector<int>& budgets,
                  const std::vector<Rerun>& reruns = {});

}  // namespace committee::audit
