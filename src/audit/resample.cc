#include "audit/resample.h"

#include <algorithm>
#include <optional>

#include "audit/annotate.h"
#include "audit/layer_vectors.h"
#include "audit/replicates.h"
#include "audit/shuffle.h"

namespace committee::audit {
namespace {

class Resampler {
 public:
  Resampler(AuditResult& result, const SampleReader& reader, const Grouping& grouping, const Rules& rules,
            const VectorStore* store, ThreadPool& pool)
      : result_(result),
        options_(result.options),
        reader_(reader),
        sorted_(sort_samples(grouping)),
        rules_(rules),
        store_(store),
        pool_(pool),
        wanted_(vectors_for_resampling(options_, reader)),
        pack_(reader, options_.eci, sorted_.order) {
    const int64_t budget = options_.memory / 8;
    auto draws = [&](Scheme scheme, int replicates, int in_lanes = 0) {
      return replicates > 0
                 ? std::optional<Draws>(std::in_place,
                                        ResamplePlan(sorted_.grouping, scheme, replicates, options_.seed),
                                        in_lanes, budget, pool)
                 : std::nullopt;
    };
    const int silhouettes = grouping.domains.size() > 1 ? options_.silhouette_replicates : 0;
    bootstrap_ = draws(Scheme::kBootstrap, options_.bootstrap, silhouettes);
    permutation_ =
        draws(Scheme::kPermutation, grouping.domains.size() > 1 ? options_.permutations : 0, silhouettes);
    const bool nested = !grouping.groups.empty() && grouping.domains.size() > 1;
    nested_ = draws(Scheme::kNested, nested ? options_.permutations : 0);
    nested_bootstrap_ = draws(Scheme::kNestedBootstrap, nested ? options_.bootstrap : 0);
  }

  void run() {
    store_ != nullptr ? run_from_store() : run_from_trace();
    annotate_summaries(result_, bootstrap_scalars_, permuted_scalars_);
  }

 private:
  void run_from_store() {
    LayerVectors vectors;
    for (int layer = 0; layer < reader_.layers(); ++layer) {
      store_->read(layer, vectors, pool_);
      run_layer(vectors, layer);
    }
  }

  void run_from_trace() {
    const int group = layers_at_once();
    for (int first = 0; first < reader_.layers(); first += group) {
      const LayerRange range{first, std::min(group, reader_.layers() - first)};
      const LayerVectors vectors = load_vectors(reader_, wanted_, range, pool_);
      for (int layer = first; layer < first + range.count; ++layer) run_layer(vectors, layer);
    }
  }

  int layers_at_once() const {
    const int64_t kinds = wanted_.routing + wanted_.executed + wanted_.slots;
    const int64_t vectors = std::max<int64_t>(1, reader_.size() * reader_.experts() * 4);
    // One layer is packed four times over beside the vectors; the draws have their own eighths.
    const int64_t left = options_.memory - options_.memory / 2 - 4 * vectors;
    return static_cast<int>(std::clamp<int64_t>(left / (vectors * kinds), 1, reader_.layers()));
  }

  void run_layer(const LayerVectors& vectors, int index) {
    LayerResult& layer = result_.layers[index];
    const ReplicateRequest request{rules_, layer.specific_domains};
    if (bootstrap_ || permutation_) {
      pack_.load(vectors, index, pool_);
      if (bootstrap_) {
        ReplicateTable table = replicate(pack_, *bootstrap_, sorted_.grouping, request, pool_);
        annotate_bootstrap(layer, table, pool_);
        bootstrap_scalars_.push_back(std::move(table.scalars));
      }
      if (permutation_) {
        ReplicateTable table = replicate(pack_, *permutation_, sorted_.grouping, request, pool_);
        annotate_permuted(layer, table, pool_);
        permuted_scalars_.push_back(std::move(table.scalars));
      }
      if (nested_) {
        const auto table = replicate(pack_, *nested_, sorted_.grouping, request, pool_);
        annotate_nested(layer, table);
        keep_nested(table, permuted_scalars_.back());
      }
      if (nested_bootstrap_) {
        const auto table = replicate(pack_, *nested_bootstrap_, sorted_.grouping, request, pool_);
        annotate_nested_bootstrap(layer, table);
        keep_nested(table, bootstrap_scalars_.back());
      }
    }
    if (options_.expert_shuffles > 0) shuffle(vectors, index);
  }

  // The one figure that the nested schemes give beside those of the others; as many replicates each.
  static void keep_nested(const ReplicateTable& table, std::vector<Scalars>& scalars) {
    for (size_t r = 0; r < scalars.size(); ++r) scalars[r][kR2Nested] = table.scalars[r][kR2Nested];
  }

  void shuffle(const LayerVectors& vectors, int index) {
    std::vector<float> scale(reader_.size(), 1.0F);
    if (options_.eci == Eci::kFrequency) {
      for (int64_t i = 0; i < reader_.size(); ++i) scale[i] = 1 / static_cast<float>(reader_.rows(i));
    }
    const ShuffleInput input{vectors.of(kind_of(options_.eci), index, reader_.size(), reader_.experts()),
                             scale,
                             sorted_.grouping,
                             sorted_.order,
                             rules_,
                             result_.layers[index].specific_domains,
                             options_.expert_shuffles,
                             index,
                             options_.seed};
    result_.layers[index].shuffle = shuffle_experts(input, pool_);
  }

  AuditResult& result_;
  const AuditOptions& options_;
  const SampleReader& reader_;
  SortedGrouping sorted_;
  Rules rules_;
  const VectorStore* store_;
  ThreadPool& pool_;
  Wanted wanted_;
  LayerPack pack_;
  std::optional<Draws> bootstrap_, permutation_, nested_, nested_bootstrap_;
  std::vector<std::vector<Scalars>> bootstrap_scalars_, permuted_scalars_;  // [L][R]
};

}  // namespace

Wanted vectors_for_resampling(const AuditOptions& options, const SampleReader& reader) {
  const VectorKind geometry = geometry_kind(reader);
  return {.routing = geometry == VectorKind::kRouting,
          .executed = options.eci == Eci::kExecuted,
          .slots = options.bootstrap > 0 || kind_of(options.eci) == VectorKind::kSlots ||
                   geometry == VectorKind::kSlots};
}

void resample(AuditResult& result, const SampleReader& reader, const Grouping& grouping, const Rules& rules,
              const VectorStore* store, ThreadPool& pool) {
  const AuditOptions& options = result.options;
  if (options.bootstrap == 0 && options.permutations == 0 && options.expert_shuffles == 0) return;
  Resampler(result, reader, grouping, rules, store, pool).run();
}

}  // namespace committee::audit
