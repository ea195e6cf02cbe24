#pragma once

#include <string>
#include <vector>

#include "interventions/analysis.h"
#include "report/terminal.h"

namespace committee::report {

// masking.csv: a row a set, each measure with its interval (_low, _high), its difference to the unmasked run
// (_difference…) and its rank p-values (_p_random, _p_matched).
std::string masking_csv(const std::vector<interventions::SetResult>& results);

// A row for the unmasked run and every chosen set, its controls as one row each kind (mean and range).
std::string masking_table(const std::vector<interventions::SetResult>& results, const TerminalStyle& style);

// "10", "10 26"; and "3 17", or of several layers "10:3,17;26:5".
std::string layers_text(const interventions::ExpertSet& set);
std::string experts_text(const interventions::ExpertSet& set);

}  // namespace committee::report
