#pragma once

#include <vector>

#include "cli/trace_or_model.h"

namespace committee::cli {

struct SweepFlags {
  TraceOrModel input;
  StatisticsFlags statistics;
  std::vector<int> budgets;  // empty: default_budgets()
  std::string mode;          // empty: rerank a trace, rerun a model
};

// 4, 6, 8, 12 and 16 as far as there are so many experts, and the model's own.
std::vector<int> default_budgets(int experts, int own);

// Throws Error for a budget that is there twice.
void check_budgets(const std::vector<int>& budgets);

// Runs the model at every budget, into OUT.
void sweep_model(const SweepFlags& flags);

}  // namespace committee::cli
