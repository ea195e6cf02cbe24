#pragma once

#include <map>
#include <string>
#include <vector>

#include "balance/result.h"
#include "interventions/analysis.h"
#include "report/audit_files.h"

namespace committee::report {

// What a model gave with a layer's biases, beside what the trace says of the layer.
struct BalancedRun {
  const interventions::SetResult* outcomes = nullptr;  // that layer alone balanced; nullptr: was not run
  double worst_load = 0;  // of the layer where all of them are balanced, as it then was
};

// balance.csv and balance_domains.csv; `runs` by layer, empty for a trace.
std::vector<CsvFile> balance_csv(const balance::BalanceResult& result,
                                 const std::map<int, BalancedRun>& runs = {});

// always.csv: a row a set, as masking.csv names them.
std::string always_csv(const std::vector<balance::AlwaysCost>& costs);
// A sentence for every set that is no control, and by how much its controls do it.
std::vector<std::string> always_sentences(const std::vector<balance::AlwaysCost>& costs);

// {"layers": [{"layer", "converged", "worst_load", "biases": [E]}]}: added to the routing scores for
// selection only.
std::string biases_json(const balance::BalanceResult& result);

// What the figures say, a sentence each with its baseline.
std::vector<std::string> balance_sentences(const balance::BalanceResult& result);

}  // namespace committee::report
