#include "engine/layer_stream.h"

#include <utility>

namespace committee::engine {
namespace {

constexpr double kMostly = 0.5;  // of a layer's pages

}  // namespace

LayerStream::LayerStream(const model::Model& model)
    : model_(model), end_(model.config().layers), asked_(static_cast<size_t>(model.config().layers)) {}

size_t LayerStream::bytes_of(const model::Model& model, int layer) {
  return Bytes::taken(model.layer_room(layer));
}

void LayerStream::set(int end, bool keeps_weights) {
  end_ = end;
  keeps_weights_ = keeps_weights;
  if (!keeps_weights) return;
  wait();
  places_ = {};
}

const model::LayerWeights& LayerStream::prepare(int layer) {
  const int next = layer + 1;
  if (keeps_weights_) {
    if (next < end_ && !asked_[static_cast<size_t>(next)]) {
      asked_[static_cast<size_t>(next)] = true;
      reading_ = std::async(std::launch::async, [this, next] { model_.read_ahead(next); });
    }
    return *(weights_ = &model_.weights().layers[static_cast<size_t>(layer)]);
  }
  wait();
  if (!find(layer)) {
    start(places_[0], layer);
    wait();
  }
  Place& here = *find(layer);
  if (next < end_ && !find(next)) start(&here == &places_[0] ? places_[1] : places_[0], next);
  weights_ = here.mapped ? &model_.weights().layers[static_cast<size_t>(layer)] : &here.read;
  return *weights_;
}

// What was read stays until its place is needed; pages of the cache may be taken back from now on.
void LayerStream::release(int layer) {
  Place* place = keeps_weights_ ? nullptr : find(layer);
  if (!place || !place->mapped) return;
  model_.drop(layer);
  place->layer = -1;
}

LayerStream::Place* LayerStream::find(int layer) {
  for (Place& place : places_) {
    if (place.layer == layer) return &place;
  }
  return nullptr;
}

void LayerStream::start(Place& place, int layer) {
  place.layer = -1;
  filling_ = {&place, layer};
  reading_ = std::async(std::launch::async, [this, &place, layer] { fill(place, layer); });
}

void LayerStream::fill(Place& place, int layer) const {
  place.mapped = model_.in_memory(layer) > kMostly;
  if (place.mapped) {
    place.memory = {};
    model_.read_ahead(layer);
  } else {
    const size_t room = model_.layer_room(layer);
    place.read = model_.read(layer, {place.memory.reserve(room), room});
  }
}

// Throws what reading threw.
void LayerStream::wait() {
  if (!reading_.valid()) return;
  const auto [place, layer] = std::exchange(filling_, {});
  reading_.get();
  if (place != nullptr) place->layer = layer;
}

}  // namespace committee::engine
