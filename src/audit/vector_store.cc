#include "audit/vector_store.h"

#include <algorithm>

namespace committee::audit {
namespace {

bool is_wide(const SampleReader& reader) { return reader.rows() > reader.size(); }

void narrow(const double* from, int64_t count, float* to) {
  std::transform(from, from + count, to, [](double x) { return static_cast<float>(x); });
}

}  // namespace

std::optional<VectorStore> VectorStore::within(int64_t budget, const SampleReader& reader, Wanted wanted) {
  const int64_t bytes = wanted.routing * (is_wide(reader) ? 8 : 4) + (wanted.executed + wanted.slots) * 4;
  // Divided, as a product of hostile numbers could overflow.
  if (budget / bytes / reader.layers() / reader.experts() < reader.size()) return std::nullopt;
  return VectorStore(reader, wanted);
}

VectorStore::VectorStore(const SampleReader& reader, Wanted wanted)
    : samples_(reader.size()),
      experts_(reader.experts()),
      layers_(reader.layers()),
      geometry_(geometry_kind(reader)),
      held_(wanted) {
  const int64_t size = samples_ * experts_ * layers_;
  if (wanted.routing && is_wide(reader)) wide_routing_.resize(size);
  if (wanted.routing && !is_wide(reader)) routing_.resize(size);
  if (wanted.executed) executed_.resize(size);
  if (wanted.slots) slots_.resize(size);
}

void VectorStore::put(int64_t sample, int layer, const SampleVectors& vectors) {
  const int64_t at = place(sample, layer);
  if (!wide_routing_.empty()) std::copy_n(vectors.routing, experts_, &wide_routing_[at]);
  if (!routing_.empty()) narrow(vectors.routing, experts_, &routing_[at]);
  if (!executed_.empty()) narrow(vectors.executed, experts_, &executed_[at]);
  if (!slots_.empty()) narrow(vectors.slots, experts_, &slots_[at]);
}

void VectorStore::for_each(ThreadPool& pool, const Visit& visit) const {
  const std::vector<float>& floats = geometry_ == VectorKind::kRouting ? routing_ : slots_;
  const bool wide = geometry_ == VectorKind::kRouting && !wide_routing_.empty();
  pool.for_each(layers_, [&](int64_t layer, int) {
    std::vector<double> vector(experts_);
    SampleVectors view;
    (geometry_ == VectorKind::kRouting ? view.routing : view.slots) = vector.data();
    for (int64_t i = 0; i < samples_; ++i) {
      const int64_t at = place(i, static_cast<int>(layer));
      if (wide) {
        std::copy_n(&wide_routing_[at], experts_, vector.data());
      } else {
        std::copy_n(&floats[at], experts_, vector.data());
      }
      visit(i, static_cast<int>(layer), view);
    }
  });
}

LayerVectors VectorStore::layer(int layer) const {
  const int64_t begin = place(0, layer), size = samples_ * experts_;
  LayerVectors vectors{{layer, 1}, held_, {}, {}, {}};
  if (!wide_routing_.empty()) {
    vectors.routing.resize(size);
    narrow(&wide_routing_[begin], size, vectors.routing.data());
  }
  for (const auto& [from, to] :
       {std::pair{&routing_, &vectors.routing}, {&executed_, &vectors.executed}, {&slots_, &vectors.slots}}) {
    if (!from->empty()) to->assign(from->begin() + begin, from->begin() + begin + size);
  }
  return vectors;
}

}  // namespace committee::audit
