#pragma once

#include <optional>
#include <vector>

#include "audit/grouping.h"
#include "audit/layer_figures.h"
#include "audit/layer_vectors.h"
#include "audit/replicates.h"
#include "audit/result.h"
#include "audit/sample_reader.h"
#include "audit/shuffle.h"
#include "audit/vector_store.h"
#include "base/thread_pool.h"

namespace committee::audit {

// What a Resampler and silhouettes read of the samples.
Wanted vectors_for_resampling(const AuditOptions& options, const SampleReader& reader);

// Permuted values, bootstrap intervals, inclusion, the expert shuffle and R²'s p-values (METHOD 9 and 10).
// What sums up contributions can be begun while the trace is being read. Without a store the samples' vectors
// are held in float32 for as many layers at a time as options.memory allows, and the trace is read once for
// each group of layers.
class Resampler {
 public:
  // What is passed must outlive the resampler. `store`: what the reading of the trace fills, or nullptr.
  Resampler(const SampleReader& reader, const Grouping& grouping, const Rules& rules,
            const AuditOptions& options, const VectorStore* store, ThreadPool& pool);

  // Adds up a block of rows of a layer, where the first `read` samples of the trace, which the store has,
  // complete one. False where they do not. Changes no result.
  bool work_ahead(int64_t read);

  // Adds what replicates say to an audit whose observed figures stand.
  void finish(AuditResult& result);

 private:
  // Of one layer, over the blocks that were added.
  struct Sums {
    ReplicateSums bootstrap, permutation;
    std::optional<ExpertShuffle> shuffle;
  };
  bool has_work() const { return bootstrap_ || permutation_ || options_.expert_shuffles > 0; }
  void make_draws();
  void make_blocks();
  void begin_ahead();
  int64_t bytes_of_sums() const;
  Sums no_sums(int layer) const;
  void add_block(int layer, RowRange block, Sums& sums);
  void run_from_store(AuditResult& result);
  void run_from_trace(AuditResult& result);
  int layers_at_once() const;
  void run_layer(const LayerVectors& vectors, int index, LayerResult& layer);
  void run_nested(LayerResult& layer, const ReplicateRequest& request);
  void shuffle(int index, LayerResult& layer);

  const SampleReader& reader_;
  const SortedGrouping sorted_;
  const Rules rules_;
  const AuditOptions& options_;
  const VectorStore* store_;
  ThreadPool& pool_;
  const Wanted wanted_;
  std::optional<Draws> bootstrap_, permutation_, nested_, nested_bootstrap_;
  std::optional<LayerPack> pack_;
  std::vector<RowRange> blocks_;    // of sorted rows, in the order in which reading the trace completes them
  std::vector<int64_t> completed_;  // by how many samples
  std::vector<Sums> ahead_;         // of the first layers, begun ahead
  size_t next_block_ = 0, next_layer_ = 0;
  std::vector<std::vector<Scalars>> bootstrap_scalars_, permuted_scalars_;  // [L][R]
};

}  // namespace committee::audit
