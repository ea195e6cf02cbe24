#pragma once

#include "balance/result.h"
#include "trace/reader.h"

namespace committee::balance {

// Streams the trace: memory is bounded by a layer's samples times experts. The same bytes whatever the
// threads. Throws Error for a trace without full distributions or without executed experts.
BalanceResult balance(const trace::Trace& trace, const BalanceOptions& options);

}  // namespace committee::balance
