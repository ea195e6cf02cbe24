#pragma once

#include "balance/result.h"
#include "trace/reader.h"

namespace committee::balance {

// Throws Error for a layer or expert that the model lacks, and for more experts at a layer than a token
// executes.
void check_always(const interventions::ExpertSet& set, const trace::ModelInfo& model);

// The sets (with their controls, of the same trace's layers), in their order; intervals draw samples anew
// inside each domain, the same draws for all sets. Throws Error as balance() and check_always() do.
std::vector<AlwaysCost> always_on(const trace::Trace& trace, const audit::AuditOptions& options,
                                  const std::vector<interventions::ExpertSet>& sets);

}  // namespace committee::balance
