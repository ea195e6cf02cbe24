#include "passes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/random.h"
#include "shapes.h"

namespace committee::bench {
namespace {

using engine::Sequence;
using engine::Work;

// Multiplications and additions (two each) of a pass over rows that see `keys` keys on average; `asked` of
// them go through the last layer's attention, `scored` through its feed-forward.
double flops_of(const model::ModelConfig& c, double rows, double keys, double asked, double scored) {
  const model::Attention& a = c.attention;
  const double d = c.d_model, heads = a.heads * (a.qk_dim + a.v_dim);
  double key_side = 2 * d * a.kv_heads * (a.qk_dim + a.v_dim);
  if (a.latent) {
    key_side = 2 * d * (a.latent->kv_rank + a.latent->rope_dim) +
               2.0 * a.latent->kv_rank * a.heads * (a.latent->nope_dim + a.v_dim);
  }
  const double query_side = 2 * keys * heads + 2 * d * heads;
  const double routed = 6 * d * (c.router.top_k * c.expert_width + c.shared_width),
               router = 2 * d * c.router.experts;
  double flops = 0;
  for (int l = 0; l < c.layers; ++l) {
    const bool last = l + 1 == c.layers;
    flops += rows * key_side + (last ? asked : rows) * query_side;
    if (c.is_moe(l)) flops += (last ? asked : rows) * router;
    flops += (last ? scored : rows) * (c.is_moe(l) ? routed : 6 * d * c.dense_width);
  }
  return flops + scored * 2 * d * c.vocab;
}

}  // namespace

Sum::Sum(const model::ModelConfig& config)
    : experts_(static_cast<size_t>(config.router.experts)), loads_(config.moe_layers.size() * experts_) {}

void Sum::begin_chunk(const model::RecordedRows& rows) {
  expected_ += rows.size() * static_cast<int64_t>(loads_.size() / experts_);
}

void Sum::record(const model::RoutingBatch& batch) {
  const double sum = std::accumulate(batch.probs.begin(), batch.probs.end(), 0.0);
  const std::lock_guard lock(mutex_);
  for (const uint16_t id : batch.topk_id) ++loads_[static_cast<size_t>(batch.layer) * experts_ + id];
  total_ += sum;
  rows_ += batch.rows;
}

void Sum::check() const {
  if (rows_ != expected_ || rows_ == 0) throw Error("{} of {} rows were recorded", rows_, expected_);
  if (std::abs(total_ / static_cast<double>(rows_) - 1) > 1e-4)
    throw Error("the recorded distributions do not sum to 1");
}

std::vector<Sequence> random_prompts(const PassOptions& o, int vocab) {
  Random random(1);
  const auto draw = [&] { return static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab))); };
  std::vector<int32_t> stem(static_cast<size_t>(o.shared));
  for (int32_t& token : stem) token = draw();
  std::vector<Sequence> sequences;
  for (int p = 0; p < o.prompts; ++p) {
    Sequence sequence;
    sequence.sample = p;
    sequence.tokens = stem;
    const int length = o.tokens / o.prompts;
    while (static_cast<int>(sequence.tokens.size()) < length) sequence.tokens.push_back(draw());
    for (int i = o.positions == "all" ? 0 : length - 1; i < length; ++i) sequence.recorded.push_back(i);
    sequence.wants_logits = o.scores;
    sequences.push_back(std::move(sequence));
  }
  return sequences;
}

std::filesystem::path checkpoint_of(const PassOptions& o) {
  return make_checkpoint(o.shape, o.layers, o.models / (o.shape + "-" + std::to_string(o.layers)));
}

PassResult run_pass(const PassOptions& o) {
  const auto folder = checkpoint_of(o);
  const double opening = now();
  const auto model = model::Model::open(folder);
  const auto compute = o.compute == "bf16" ? engine::Compute::kBF16 : engine::Compute::kF32;
  engine::Engine engine(
      model,
      {.compute = compute, .threads = o.threads, .memory = o.memory_mb << 20, .share_prefixes = o.share});
  PassResult result;
  result.opened = now() - opening;
  const auto prompts = random_prompts(o, model.config().vocab);
  const double keys = (o.tokens / o.prompts + 1) / 2.0;  // of a prompt without sharing
  std::vector<double> clock, processor, share, processor_share, peak_clock;
  for (int r = 0; r <= o.repeat; ++r) {
    Sum sum(model.config());
    const engine::Variant variant{{}, &sum, [](size_t, std::span<const float>) {}};
    const Seconds peak = roofline(compute, o.threads);
    const Seconds took = time_of([&] { result.work = engine.prefill(prompts, std::span(&variant, 1), {}); });
    sum.check();
    const auto [least, most] = std::minmax_element(sum.loads().begin(), sum.loads().end());
    result.least_rows = *least;
    result.most_rows = *most;
    if (r == 0 && o.repeat > 0) continue;
    const double rows = static_cast<double>(result.work.rows),
                 asked = o.positions == "all" ? rows : o.prompts;
    const double flops = flops_of(model.config(), rows, keys, asked, o.scores ? o.prompts : 0);
    clock.push_back(took.clock);
    processor.push_back(took.processor);
    share.push_back(flops * peak.clock / took.clock);
    processor_share.push_back(flops * peak.processor / took.processor);
    peak_clock.push_back(peak.clock);
  }
  result.took = {median(clock), median(processor)};
  result.share = median(share);
  result.processor_share = median(processor_share);
  result.roofline = 1e-9 / median(peak_clock);
  return result;
}

}  // namespace committee::bench
