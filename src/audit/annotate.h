#pragma once

#include <vector>

#include "audit/replicates.h"
#include "audit/result.h"
#include "base/thread_pool.h"

namespace committee::audit {

// Turns a layer's replicates into the intervals, p-values and inclusion probabilities of its figures.
void annotate_bootstrap(LayerResult& layer, const ReplicateTable& table, ThreadPool& pool);
void annotate_permuted(LayerResult& layer, const ReplicateTable& table, ThreadPool& pool);
void annotate_nested(LayerResult& layer, const ReplicateTable& table);
void annotate_nested_bootstrap(LayerResult& layer, const ReplicateTable& table);

// Mean Jaccard similarity over all pairs of sets (ids ascending or not); two empty sets agree. 1 for fewer
// than two.
double mean_agreement(const BootstrapSets& sets);

// One set a replicate, ids in any order.
BootstrapSets bootstrap_sets(std::vector<std::vector<int>> of_replicates);

// Intervals and p-values of the figures across layers, from every layer's scalars [L][R].
void annotate_summaries(AuditResult& result, const std::vector<std::vector<Scalars>>& bootstrap,
                        const std::vector<std::vector<Scalars>>& permuted);

}  // namespace committee::audit
