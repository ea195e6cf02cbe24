#pragma once

#include "audit/options.h"
#include "audit/result.h"
#include "trace/reader.h"

namespace committee::audit {

// Everything that METHOD 2 to 6, 9 and 10 define, for a trace of any size. The same trace, options and seed
// give the same result whatever the number of threads. Throws Error naming trace and option: a kind that the
// source does not allow, positions it does not hold, k outside 1..E, γ outside (0, 1], a domain without
// samples.
AuditResult audit(const trace::Trace& trace, const AuditOptions& options);

}  // namespace committee::audit
