#include "audit/sample_reader.h"

#include <algorithm>

#include "audit/kernels.h"
#include "base/error.h"

namespace committee::audit {
namespace {

constexpr int64_t kRowsAtOnce = 64;  // bounds the scratch of widened rows

// The positions that are audited, or an Error where the trace lacks them.
std::string audited_positions(const trace::Trace& trace, Positions wanted) {
  const std::string& recorded = trace.manifest().recording.positions;
  if (wanted == Positions::kRecorded || name_of(wanted) == recorded) return recorded;
  if (recorded == "all") return name_of(wanted);
  throw Error("{}: --positions {} cannot be audited, the trace recorded {} positions only",
              trace.folder().string(), name_of(wanted), recorded);
}

}  // namespace

SampleReader::SampleReader(const trace::Trace& trace, Positions positions, int64_t memory)
    : trace_(trace), positions_(audited_positions(trace, positions)), memory_(memory) {
  const bool narrowed = positions_ != trace.manifest().recording.positions;
  content_only_ = narrowed && positions_ == "content";
  index(narrowed && positions_ == "last", content_only_);
}

bool SampleReader::has_executed() const {
  return trace_.manifest().recording.executed != trace::Executed::kNone;
}

void SampleReader::index(bool last_only, bool content_only) {
  trace::Trace::Scratch scratch;
  shard_begin_ = {0};
  for (int64_t shard = 0; shard < trace_.shards(); ++shard) {
    const int64_t rows = trace_.shard_rows(shard), base = shard_begin_.back();
    const trace::RowBlock block = trace_.labels(shard);
    for (int64_t r = 0; r < rows; ++r) {
      const bool counts = !content_only || block.content[r] != 0;
      if (entries_.empty() || entries_.back().id != block.sample[r]) {
        entries_.push_back({base + r, base + r, 0, base + r, block.sample[r], block.token[r]});
      }
      Entry& entry = entries_.back();
      entry.end = base + r + 1;
      if (!counts) continue;
      ++entry.audited;
      entry.last = base + r;
      entry.last_token = block.token[r];
    }
    shard_begin_.push_back(base + rows);
  }
  std::erase_if(entries_, [](const Entry& entry) { return entry.audited == 0; });
  for (Entry& entry : entries_) {
    if (last_only) {
      entry.begin = entry.end - 1;
      entry.audited = 1;
    }
    rows_ += entry.audited;
  }
}

SampleReader::Place SampleReader::place(int64_t global_row) const {
  const auto after = std::upper_bound(shard_begin_.begin(), shard_begin_.end(), global_row);
  const auto shard = after - shard_begin_.begin() - 1;
  return {shard, global_row - shard_begin_[shard]};
}

void SampleReader::read(int64_t sample, LayerRange layers, const SampleVectors& out,
                        trace::Trace::Scratch& scratch) const {
  const size_t size = static_cast<size_t>(layers.count) * experts();
  for (double* vector : {out.routing, out.executed, out.slots}) {
    if (vector != nullptr) std::fill(vector, vector + size, 0.0);
  }
  const Entry& entry = entries_[sample];
  for (int64_t row = entry.begin; row < entry.end;) {
    const Place at = place(row);
    const int64_t count = std::min({entry.end - row, trace_.shard_rows(at.shard) - at.row, kRowsAtOnce});
    const trace::RowBlock block = trace_.read(at.shard, at.row, count, scratch);
    for (int64_t r = 0; r < count; ++r) {
      if (!content_only_ || block.content[r] != 0) add_row(block, r, layers, out);
    }
    row += count;
  }
  if (entry.audited == 1) return;
  for (double* vector : {out.routing, out.executed}) {
    if (vector == nullptr) continue;
    for (size_t i = 0; i < size; ++i) vector[i] /= static_cast<double>(entry.audited);
  }
}

void SampleReader::add_row(const trace::RowBlock& block, int64_t row, LayerRange layers,
                           const SampleVectors& out) const {
  const trace::ModelInfo& model = trace_.manifest().model;
  const size_t width = experts(), k = model.top_k, size = layers.count * width;
  const size_t at = row * model.moe_layers.size() + layers.first;  // layers before the first wanted one
  const auto probs = block.probs.empty() ? block.probs : block.probs.subspan(at * width, size);
  if (out.routing != nullptr) kernels::add_widened(probs, out.routing);
  if (!has_executed()) {
    if (out.slots == nullptr) return;
    for (size_t i = 0; i < size; ++i) out.slots[i] += static_cast<double>(k) * probs[i];
    return;
  }
  if (out.executed == nullptr && out.slots == nullptr) return;
  for (int l = 0; l < layers.count; ++l) {
    const auto ids = block.topk_id.subspan((at + l) * k, k);
    const auto weights =
        block.topk_weight.empty() ? block.topk_weight : block.topk_weight.subspan((at + l) * k, k);
    add_executed(probs.empty() ? nullptr : &probs[l * width], ids, weights, out, l * width);
  }
}

void SampleReader::add_executed(const float* probs, std::span<const uint16_t> ids,
                                std::span<const float> weights, const SampleVectors& out,
                                size_t offset) const {
  if (out.slots != nullptr) {
    for (const uint16_t id : ids) out.slots[offset + id] += 1;
  }
  if (out.executed == nullptr) return;
  auto weight = [&](size_t i) -> double { return probs != nullptr ? probs[ids[i]] : weights[i]; };
  double total = 0;
  for (size_t i = 0; i < ids.size(); ++i) total += weight(i);
  if (!(total > 0)) return;
  for (size_t i = 0; i < ids.size(); ++i) out.executed[offset + ids[i]] += weight(i) / total;
}

std::vector<int32_t> SampleReader::tokens(int64_t sample) const {
  std::vector<int32_t> tokens;
  const bool new_shard = sample == 0 || shard_of(sample) != shard_of(sample - 1);
  if (new_shard) trace_.will_need_labels(shard_of(sample));
  for (int64_t row = entries_[sample].begin; row < entries_[sample].end; ++row) {
    const Place at = place(row);
    const trace::RowBlock labels = trace_.labels(at.shard);
    if (!content_only_ || labels.content[at.row] != 0) tokens.push_back(labels.token[at.row]);
  }
  return tokens;
}

int64_t SampleReader::template_rows(int64_t sample) const {
  int64_t row = entries_[sample].begin;
  for (; row < entries_[sample].end; ++row) {
    const Place at = place(row);
    if (trace_.labels(at.shard).content[at.row] != 0) break;
  }
  return content_only_ ? 0 : row - entries_[sample].begin;
}

trace::RowBlock SampleReader::last_row(int64_t sample, trace::Trace::Scratch& scratch) const {
  const Place at = place(entries_[sample].last);
  return trace_.read(at.shard, at.row, 1, scratch);
}

void SampleReader::drop(int64_t first, int64_t last) const {
  if (first >= last) return;
  const int64_t end = entries_[last - 1].end;
  for (int64_t row = entries_[first].begin; row < end;) {
    const Place at = place(row);
    const int64_t count = std::min(end - row, trace_.shard_rows(at.shard) - at.row);
    trace_.drop(at.shard, at.row, count);
    row += count;
  }
}

}  // namespace committee::audit
