#pragma once

#include "audit/layer_figures.h"
#include "audit/options.h"
#include "trace/reader.h"

namespace committee::audit {

// The rule that options make for a trace. Throws Error for a contribution kind that the source does not allow
// and for values out of range.
Rules rules_for(const trace::Trace& trace, const AuditOptions& options);

}  // namespace committee::audit
