#pragma once

#include "audit/grouping.h"
#include "audit/layer_figures.h"
#include "audit/result.h"
#include "audit/sample_reader.h"
#include "base/thread_pool.h"

namespace committee::audit {

// Adds permuted values, bootstrap intervals, inclusion, the expert shuffle and R²'s p-values to an audit
// whose observed figures stand (METHOD 9 and 10). The samples' vectors are held in float32 for as many layers
// at a time as options.memory allows, so that a trace is read once for each group of layers.
void resample(AuditResult& result, const SampleReader& reader, const Grouping& grouping, const Rules& rules,
              ThreadPool& pool);

}  // namespace committee::audit
