#pragma once

#include "balance/balance.h"
#include "cli/set_flags.h"
#include "cli/trace_or_model.h"
#include "report/audit_files.h"

namespace committee::cli {

struct BalanceFlags {
  TraceOrModel input;
  StatisticsFlags statistics;
  SetFlags sets;
  double tolerance = 0.05;
  int max_passes = 400;
  bool always = false;
};

// Runs the model: its trace, the biases, and the outcomes with them, into OUT.
void balance_model(const BalanceFlags& flags);

balance::BalanceResult balance_of(const trace::Trace& trace, const BalanceFlags& flags);

// The options and figures that balance.json echoes.
std::vector<std::pair<std::string, std::string>> balance_options(const BalanceFlags& flags,
                                                                 const balance::BalanceResult& result);

// The sets of --always beside their controls: those named, or the trace's own committees.
std::vector<interventions::ExpertSet> always_sets(const BalanceFlags& flags, const trace::Trace& trace,
                                                  const balance::BalanceResult& result);

}  // namespace committee::cli
