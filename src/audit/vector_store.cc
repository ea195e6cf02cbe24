#include "audit/vector_store.h"

#include <algorithm>

namespace committee::audit {
namespace {

constexpr int64_t kAtOnce = int64_t{1} << 16;  // values copied by one thread

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
  if (wanted.routing && is_wide(reader)) wide_routing_.reserve_as<double>(size);
  if (wanted.routing && !is_wide(reader)) routing_.reserve_as<float>(size);
  if (wanted.executed) executed_.reserve_as<float>(size);
  if (wanted.slots) slots_.reserve_as<float>(size);
}

void VectorStore::put(int64_t sample, int layer, const SampleVectors& vectors) {
  const int64_t at = place(sample, layer);
  if (auto* wide = all<double>(wide_routing_)) std::copy_n(vectors.routing, experts_, wide + at);
  for (const auto& [from, to] : {std::pair{vectors.routing, all<float>(routing_)},
                                 {vectors.executed, all<float>(executed_)},
                                 {vectors.slots, all<float>(slots_)}}) {
    if (to != nullptr) narrow(from, experts_, to + at);
  }
}

void VectorStore::for_each(ThreadPool& pool, const Visit& visit) const {
  const bool routing = geometry_ == VectorKind::kRouting;
  const float* floats = all<float>(routing ? routing_ : slots_);
  const double* wide = routing ? all<double>(wide_routing_) : nullptr;
  pool.for_each(layers_, [&](int64_t layer, int) {
    std::vector<double> vector(experts_);
    SampleVectors view;
    (routing ? view.routing : view.slots) = vector.data();
    for (int64_t i = 0; i < samples_; ++i) {
      const int64_t at = place(i, static_cast<int>(layer));
      if (wide != nullptr) {
        std::copy_n(wide + at, experts_, vector.data());
      } else {
        std::copy_n(floats + at, experts_, vector.data());
      }
      visit(i, static_cast<int>(layer), view);
    }
  });
}

void VectorStore::read(VectorKind kind, int64_t sample, int layer, std::span<float> vector) const {
  const int64_t at = place(sample, layer);
  const auto* wide = all<double>(wide_routing_);
  if (kind == VectorKind::kRouting && wide != nullptr) return narrow(wide + at, experts_, vector.data());
  const Bytes& array = kind == VectorKind::kRouting    ? routing_
                       : kind == VectorKind::kExecuted ? executed_
                                                       : slots_;
  std::copy_n(all<float>(array) + at, experts_, vector.begin());
}

void VectorStore::read(int layer, LayerVectors& vectors, ThreadPool& pool) const {
  const int64_t first = place(0, layer), size = samples_ * experts_;
  vectors.range = {layer, 1};
  vectors.held = held_;
  if (held_.routing) vectors.routing.resize(size);
  if (held_.executed) vectors.executed.resize(size);
  if (held_.slots) vectors.slots.resize(size);
  pool.for_ranges(size, kAtOnce, [&](int64_t begin, int64_t end, int) {
    if (const auto* wide = all<double>(wide_routing_)) {
      narrow(wide + first + begin, end - begin, &vectors.routing[begin]);
    }
    for (const auto& [from, to] : {std::pair{all<float>(routing_), &vectors.routing},
                                   {all<float>(executed_), &vectors.executed},
                                   {all<float>(slots_), &vectors.slots}}) {
      if (from != nullptr) std::copy(from + first + begin, from + first + end, to->begin() + begin);
    }
  });
}

}  // namespace committee::audit
