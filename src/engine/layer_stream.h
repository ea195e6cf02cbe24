#pragma once

#include <array>
#include <cstddef>
#include <future>
#include <utility>
#include <vector>

#include "base/memory.h"
#include "model/weights.h"

namespace committee::engine {

// The weights of a model's layers as passes go through them, one after another, while the next one's are read
// in the background. Where the model fits in memory they are used where they lie in the mapped files. Where
// it does not, two layers are in memory at a time, read past the page cache: filling, charging and taking
// back its pages would take the processors that multiply. Those of a layer that is in the page cache anyway
// are used there. Not thread-safe.
class LayerStream {
 public:
  // The model outlives it.
  explicit LayerStream(const model::Model& model);

  // Of the passes that follow: they end before layer `end`, and the model stays in memory or not.
  void set(int end, bool keeps_weights);
  // The weights of a layer, valid until its release(). Throws Error where they, or those that were last read
  // ahead, cannot be read.
  const model::LayerWeights& prepare(int layer);
  void release(int layer);
  // Those of the layer that was prepared last.
  const model::LayerWeights& weights() const { return *weights_; }

  // Bytes that a layer takes while it is in memory.
  static size_t bytes_of(const model::Model& model, int layer);

 private:
  // Where a layer of a model that does not fit is.
  struct Place {
    int layer = -1;  // none; what is being filled has one once it was waited for
    bool mapped = false;
    Bytes memory;
    model::LayerWeights read;
  };

  Place* find(int layer);
  void start(Place& place, int layer);
  void fill(Place& place, int layer) const;
  void wait();

  const model::Model& model_;
  int end_;
  bool keeps_weights_ = true;
  std::vector<bool> asked_;  // [layers], of the kernel, once at least
  const model::LayerWeights* weights_ = nullptr;
  std::array<Place, 2> places_;
  std::pair<Place*, int> filling_{};  // and with which layer
  std::future<void> reading_;         // waits where it is destroyed
};

}  // namespace committee::engine
