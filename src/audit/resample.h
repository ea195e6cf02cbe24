#pragma once

#include "audit/grouping.h"
#include "audit/layer_figures.h"
#include "audit/result.h"
#include "audit/sample_reader.h"
#include "audit/vector_store.h"
#include "base/thread_pool.h"

namespace committee::audit {

// What resample() and silhouettes read of the samples.
Wanted vectors_for_resampling(const AuditOptions& options, const SampleReader& reader);

// Adds permuted values, bootstrap intervals, inclusion, the expert shuffle and R²'s p-values to an audit
// whose observed figures stand (METHOD 9 and 10). Without a store the samples' vectors are held in float32
// for as many layers at a time as options.memory allows, and the trace is read once for each group of layers.
void resample(AuditResult& result, const SampleReader& reader, const Grouping& grouping, const Rules& rules,
              const VectorStore* store, ThreadPool& pool);

}  // namespace committee::audit
