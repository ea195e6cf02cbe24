#include "audit/resample.h"

#include <algorithm>

#include "audit/annotate.h"

namespace committee::audit {
namespace {

constexpr int64_t kBlockRows = 1792;  // where no scheme asks for others
constexpr int64_t kRowsAtOnce = 256;  // packed by one thread

// The one figure that the nested schemes give beside those of the others; as many replicates each.
void keep_nested(const ReplicateTable& table, std::vector<Scalars>& scalars) {
  for (size_t r = 0; r < scalars.size(); ++r) scalars[r][kR2Nested] = table.scalars[r][kR2Nested];
}

}  // namespace

Wanted vectors_for_resampling(const AuditOptions& options, const SampleReader& reader) {
  const VectorKind geometry = geometry_kind(reader);
  return {.routing = geometry == VectorKind::kRouting,
          .executed = options.eci == Eci::kExecuted,
          .slots = options.bootstrap > 0 || kind_of(options.eci) == VectorKind::kSlots ||
                   geometry == VectorKind::kSlots};
}

Resampler::Resampler(const SampleReader& reader, const Grouping& grouping, const Rules& rules,
                     const AuditOptions& options, const VectorStore* store, ThreadPool& pool)
    : reader_(reader),
      sorted_(sort_samples(grouping)),
      rules_(rules),
      options_(options),
      store_(store),
      pool_(pool),
      wanted_(vectors_for_resampling(options, reader)) {
  make_draws();
  if (!has_work()) return;
  pack_.emplace(reader, options.eci, sorted_.order);
  make_blocks();
  begin_ahead();
}

void Resampler::make_draws() {
  const Grouping& grouping = sorted_.grouping;
  const auto draws = [&](Scheme scheme, int replicates, int in_lanes = 0) {
    return replicates > 0 ? std::optional<Draws>(std::in_place,
                                                 ResamplePlan(grouping, scheme, replicates, options_.seed),
                                                 in_lanes, options_.memory / 8, pool_)
                          : std::nullopt;
  };
  const int permutations = grouping.domains.size() > 1 ? options_.permutations : 0;
  const int silhouettes = grouping.domains.size() > 1 ? options_.silhouette_replicates : 0;
  bootstrap_ = draws(Scheme::kBootstrap, options_.bootstrap, silhouettes);
  permutation_ = draws(Scheme::kPermutation, permutations, silhouettes);
  if (grouping.groups.empty() || grouping.domains.size() < 2) return;
  nested_ = draws(Scheme::kNested, options_.permutations);
  nested_bootstrap_ = draws(Scheme::kNestedBootstrap, options_.bootstrap);
}

void Resampler::make_blocks() {
  const int64_t rows = permutation_ ? permutation_->block_rows() : kBlockRows;
  std::vector<std::pair<int64_t, RowRange>> blocks;
  for (int64_t begin = 0; begin < reader_.size(); begin += rows) {
    const RowRange block{begin, std::min(begin + rows, reader_.size())};
    const auto last =
        std::max_element(sorted_.order.begin() + block.begin, sorted_.order.begin() + block.end);
    blocks.emplace_back(*last + 1, block);
  }
  std::stable_sort(blocks.begin(), blocks.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [completed, block] : blocks) {
    completed_.push_back(completed);
    blocks_.push_back(block);
  }
}

// Sums of as many layers as fit an eighth of the memory.
void Resampler::begin_ahead() {
  const bool kept = (!bootstrap_ || bootstrap_->kept()) && (!permutation_ || permutation_->kept());
  if (store_ == nullptr || !kept) return;
  const int64_t fit = options_.memory / 8 / std::max<int64_t>(1, bytes_of_sums());
  for (int layer = 0; layer < std::min<int64_t>(fit, reader_.layers()); ++layer)
    ahead_.push_back(no_sums(layer));
  pack_->has_slots = wanted_.slots;
}

int64_t Resampler::bytes_of_sums() const {
  const int64_t table = std::ssize(sorted_.grouping.domains) * pack_->contributions.width() * 8;
  return (2 * (bootstrap_ ? options_.bootstrap : 0) + (permutation_ ? options_.permutations : 0)) * table +
         ExpertShuffle::bytes(sorted_, rules_, options_.expert_shuffles);
}

Resampler::Sums Resampler::no_sums(int layer) const {
  const size_t table = sorted_.grouping.domains.size() * pack_->contributions.width();
  Sums sums;
  if (bootstrap_) {
    sums.bootstrap.contributions.resize(options_.bootstrap * table);
    if (wanted_.slots) sums.bootstrap.slots.resize(options_.bootstrap * table);
  }
  if (permutation_) sums.permutation.contributions.resize(options_.permutations * table);
  if (options_.expert_shuffles > 0)
    sums.shuffle.emplace(sorted_, rules_, options_.expert_shuffles, layer, options_.seed);
  return sums;
}

bool Resampler::work_ahead(int64_t read) {
  if (ahead_.empty() || next_block_ == blocks_.size() || completed_[next_block_] > read) return false;
  add_block(static_cast<int>(next_layer_), blocks_[next_block_], ahead_[next_layer_]);
  if (++next_layer_ == ahead_.size()) {
    next_layer_ = 0;
    ++next_block_;
  }
  return true;
}

void Resampler::add_block(int layer, RowRange block, Sums& sums) {
  const LayerPack::VectorOf vector_of = [&](VectorKind kind, int32_t sample, std::span<float> vector) {
    store_->read(kind, sample, layer, vector);
  };
  pool_.for_ranges(block.end - block.begin, kRowsAtOnce, [&](int64_t begin, int64_t end, int) {
    pack_->load_rows(vector_of, {block.begin + begin, block.begin + end});
  });
  const auto add = [&](const TileMatrix& matrix, Draws& draws, std::vector<double>& to) {
    const Drawn drawn = draws.draw(0, draws.plan().replicates(), pool_);
    if (!to.empty()) add_sums(matrix, drawn, draws.plan(), block, pool_, to);
  };
  if (bootstrap_) {
    add(pack_->contributions, *bootstrap_, sums.bootstrap.contributions);
    add(pack_->slots, *bootstrap_, sums.bootstrap.slots);
  }
  if (permutation_) add(pack_->contributions, *permutation_, sums.permutation.contributions);
  if (sums.shuffle) sums.shuffle->add(pack_->contributions, block, pool_);
}

void Resampler::finish(AuditResult& result) {
  if (!has_work()) return;
  while (work_ahead(reader_.size())) continue;
  store_ != nullptr ? run_from_store(result) : run_from_trace(result);
  annotate_summaries(result, bootstrap_scalars_, permuted_scalars_);
}

void Resampler::run_from_store(AuditResult& result) {
  LayerVectors vectors;
  for (int layer = 0; layer < reader_.layers(); ++layer) {
    store_->read(layer, vectors, pool_);
    run_layer(vectors, layer, result.layers[layer]);
  }
}

void Resampler::run_from_trace(AuditResult& result) {
  const int group = layers_at_once();
  for (int first = 0; first < reader_.layers(); first += group) {
    const LayerRange range{first, std::min(group, reader_.layers() - first)};
    const LayerVectors vectors = load_vectors(reader_, wanted_, range, pool_);
    for (int layer = first; layer < first + range.count; ++layer)
      run_layer(vectors, layer, result.layers[layer]);
  }
}

int Resampler::layers_at_once() const {
  const int64_t kinds = wanted_.routing + wanted_.executed + wanted_.slots;
  const int64_t vectors = std::max<int64_t>(1, reader_.size() * reader_.experts() * 4);
  // One layer is packed four times over beside the vectors; the draws have their own eighths.
  const int64_t left = options_.memory - options_.memory / 2 - 4 * vectors;
  return static_cast<int>(std::clamp<int64_t>(left / (vectors * kinds), 1, reader_.layers()));
}

void Resampler::run_layer(const LayerVectors& vectors, int index, LayerResult& layer) {
  pack_->load(vectors, index, pool_);
  const Sums* sums = static_cast<size_t>(index) < ahead_.size() ? &ahead_[index] : nullptr;
  ReplicateRequest request{rules_, layer.specific_domains, blocks_};
  if (bootstrap_) {
    request.sums = sums != nullptr ? &sums->bootstrap : nullptr;
    ReplicateTable table = replicate(*pack_, *bootstrap_, sorted_.grouping, request, pool_);
    annotate_bootstrap(layer, table, pool_);
    bootstrap_scalars_.push_back(std::move(table.scalars));
  }
  if (permutation_) {
    request.sums = sums != nullptr ? &sums->permutation : nullptr;
    ReplicateTable table = replicate(*pack_, *permutation_, sorted_.grouping, request, pool_);
    annotate_permuted(layer, table, pool_);
    permuted_scalars_.push_back(std::move(table.scalars));
  }
  request.sums = nullptr;
  run_nested(layer, request);
  if (options_.expert_shuffles > 0) shuffle(index, layer);
}

void Resampler::run_nested(LayerResult& layer, const ReplicateRequest& request) {
  if (nested_) {
    const auto table = replicate(*pack_, *nested_, sorted_.grouping, request, pool_);
    annotate_nested(layer, table);
    keep_nested(table, permuted_scalars_.back());
  }
  if (nested_bootstrap_) {
    const auto table = replicate(*pack_, *nested_bootstrap_, sorted_.grouping, request, pool_);
    annotate_nested_bootstrap(layer, table);
    keep_nested(table, bootstrap_scalars_.back());
  }
}

void Resampler::shuffle(int index, LayerResult& layer) {
  if (static_cast<size_t>(index) < ahead_.size()) {
    layer.shuffle = ahead_[index].shuffle->baseline(layer.specific_domains, pool_);
    return;
  }
  ExpertShuffle shuffled(sorted_, rules_, options_.expert_shuffles, index, options_.seed);
  for (const RowRange& block : blocks_) shuffled.add(pack_->contributions, block, pool_);
  layer.shuffle = shuffled.baseline(layer.specific_domains, pool_);
}

}  // namespace committee::audit
