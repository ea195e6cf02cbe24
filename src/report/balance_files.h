#pragma once

#include <string>
#include <vector>

#include "balance/result.h"
#include "report/audit_files.h"

namespace committee::report {

// balance.csv and balance_domains.csv.
std::vector<CsvFile> balance_csv(const balance::BalanceResult& result);

// {"layers": [{"layer", "converged", "worst_load", "biases": [E]}]}: added to the routing scores for
// selection only.
std::string biases_json(const balance::BalanceResult& result);

// What the figures say, a sentence each with its baseline.
std::vector<std::string> balance_sentences(const balance::BalanceResult& result);

}  // namespace committee::report
