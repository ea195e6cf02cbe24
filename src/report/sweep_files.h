#pragma once

#include <string>
#include <vector>

#include "audit/sweep.h"
#include "interventions/analysis.h"
#include "report/terminal.h"

namespace committee::report {

// A sweep, and what the model answered at its budgets where it was run.
struct SweepFindings {
  const audit::SweepResult& sweep;
  std::vector<interventions::SetResult> outcomes = {};  // own budget first; empty: nothing was scored
  std::vector<int> budgets = {};                        // of each outcome

  const interventions::SetResult* at(const audit::SweepBudget& budget) const;  // reruns only, else nullptr
};

// sweep.csv: a row a budget and layer; figures bring their floors and intervals along. `mode` says where the
// budgets come from: "rerank" of what was recorded, or "rerun" with so many experts executed.
std::string sweep_csv(const audit::SweepResult& result);

// budgets.csv: a row a budget and mode: k, mode, layers_with_committee, size (mean over layers), retention,
// and where the model was run the outcome measures with their differences to the own budget.
std::string budgets_csv(const SweepFindings& findings);

// The same for people: a line a budget, and in sentences.
std::string sweep_table(const SweepFindings& findings, const TerminalStyle& style);
std::vector<std::string> sweep_sentences(const SweepFindings& findings);

}  // namespace committee::report
