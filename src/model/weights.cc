#include "model/weights.h"

#include <type_traits>

namespace committee::model {
namespace {

// LayerWeights, const or not, to tensors that are const or not.
template <typename Layer>
auto list(Layer& layer) {
  std::vector<std::remove_reference_t<decltype((layer.ffn_norm))>*> tensors;
  const auto add = [&](auto&... more) { (tensors.push_back(&more), ...); };
  auto& a = layer.attention;
  auto& moe = layer.moe;
  add(layer.attention_norm, a.q_norm, a.k_norm, a.q_a_norm, a.kv_a_norm);
  for (auto* linear : {&a.q, &a.k, &a.v, &a.o, &a.q_a, &a.q_b, &a.kv_a, &a.kv_b})
    add(linear->weight, linear->bias);
  add(layer.ffn_norm, moe.router, moe.correction_bias, moe.shared_gate);
  for (auto& expert : moe.experts) add(expert.gate, expert.up, expert.down);
  for (auto* dense : {&moe.shared, &layer.dense}) add(dense->gate, dense->up, dense->down);
  return tensors;
}

}  // namespace

std::vector<Tensor*> tensors_of(LayerWeights& layer) { return list(layer); }
std::vector<const Tensor*> tensors_of(const LayerWeights& layer) { return list(layer); }

}  // namespace committee::model
