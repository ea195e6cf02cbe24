#pragma once

#include <string>

#include "audit/sweep.h"

namespace committee::report {

// sweep.csv: a row a budget and layer; figures bring their floors and intervals along. `mode` says where the
// budgets come from: "rerank" of what was recorded.
std::string sweep_csv(const audit::SweepResult& result);

// The same for people: a line a budget.
std::string sweep_summary(const audit::SweepResult& result);

}  // namespace committee::report
