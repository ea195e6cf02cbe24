#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "engine/ops.h"
#include "engine/policy.h"
#include "model/weights.h"

namespace committee::engine {

// The forward pass once more: one prompt, one token after the other, in double, written to be obviously right
// and not to be fast. Shares with the engine only the reading of weights.
class Reference {
 public:
  using Vector = std::vector<double>;

  Reference(const model::Model& model, RoutingPolicy policy)
      : model_(model), c_(model.config()), policy_(std::move(policy)) {}

  // Of one token in one MoE layer.
  struct Routed {
    Vector probs;
    std::vector<int> ids;
    Vector weights;
  };
  std::vector<std::vector<Routed>> routing;  // [MoE layers][tokens]
  Vector logits;                             // after the last token

  void run(const std::vector<int32_t>& tokens) {
    routing.clear();
    std::vector<Vector> h;
    for (const int32_t token : tokens) h.push_back(row(model_.weights().embedding, token));
    for (int l = 0; l < c_.layers; ++l) {
      const model::LayerWeights& layer = model_.weights().layers[static_cast<size_t>(l)];
      std::vector<Vector> x;
      for (const Vector& row : h) x.push_back(norm(row, layer.attention_norm, c_.norm_eps));
      const std::vector<Vector> attended = attention(layer.attention, x);
      if (c_.is_moe(l)) routing.emplace_back();
      for (size_t t = 0; t < h.size(); ++t) {
        add(h[t], attended[t], 1);
        const Vector y = norm(h[t], layer.ffn_norm, c_.norm_eps);
        add(h[t], c_.is_moe(l) ? experts(layer.moe, y, l) : gated(layer.dense, y), 1);
      }
    }
    logits = times(model_.weights().lm_head, norm(h.back(), model_.weights().final_norm, c_.norm_eps));
  }

 private:
  static Vector all(const model::Tensor& tensor) {
    const std::vector<float> values = load_all(tensor);
    return Vector(values.begin(), values.end());
  }
  static Vector row(const model::Tensor& tensor, int64_t index) {
    std::vector<float> values(static_cast<size_t>(tensor.shape[1]));
    load(tensor, index * tensor.shape[1], tensor.shape[1], values.data());
    return Vector(values.begin(), values.end());
  }
  static double dot(const Vector& a, const Vector& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  }
  static void add(Vector& to, const Vector& from, double factor) {
    for (size_t i = 0; i < to.size(); ++i) to[i] += factor * from[i];
  }
  static Vector times(const model::Tensor& weight, const Vector& x) {
    Vector y;
    for (int64_t o = 0; o < weight.shape[0]; ++o) y.push_back(dot(row(weight, o), x));
    return y;
  }
  static Vector times(const model::Linear& linear, const Vector& x) {
    Vector y = times(linear.weight, x);
    if (linear.bias) add(y, all(linear.bias), 1);
    return y;
  }
  static Vector norm(const Vector& x, const model::Tensor& weight, double eps) {
    const Vector w = all(weight);
    Vector y = x;
    for (size_t i = 0; i < x.size(); ++i)
      y[i] *= w[i] / std::sqrt(dot(x, x) / static_cast<double>(x.size()) + eps);
    return y;
  }
  static Vector gated(const model::GatedFeedForward& weights, const Vector& x) {
    Vector inner = times(weights.gate, x);
    const Vector up = times(weights.up, x);
    for (size_t i = 0; i < inner.size(); ++i) inner[i] *= up[i] / (1 + std::exp(-inner[i]));
    return times(weights.down, inner);
  }
  static Vector part(const Vector& x, int64_t begin, int64_t count) {
    return Vector(x.begin() + begin, x.begin() + begin + count);
  }

  void rotate(Vector& head, size_t offset, size_t position) const {
    const model::Rope& rope = c_.attention.rope;
    const double factor = rope.yarn ? rope.yarn->attention_factor : 1;
    const std::vector<double> frequency = rope_frequencies(rope);
    const size_t pairs = frequency.size();
    for (size_t i = 0; i < pairs; ++i) {
      const bool halves = rope.pairing == model::RopePairing::kHalves;
      double& a = head[offset + (halves ? i : 2 * i)];
      double& b = head[offset + (halves ? i + pairs : 2 * i + 1)];
      const double angle = static_cast<double>(position) * frequency[i], old = a;
      a = (old * std::cos(angle) - b * std::sin(angle)) * factor;
      b = (old * std::sin(angle) + b * std::cos(angle)) * factor;
    }
  }

  // q, k, v of one token by head.
  struct Heads {
    std::vector<Vector> q, k, v;
  };

  Heads plain_heads(const model::AttentionWeights& w, const Vector& x, size_t position) const {
    const model::Attention& a = c_.attention;
    Heads heads;
    const auto finish = [&](Vector y, int count, const model::Tensor& weight, std::vector<Vector>& to) {
      if (a.qk_norm == model::QkNorm::kWholeProjection) y = norm(y, weight, c_.norm_eps);
      for (int h = 0; h < count; ++h) {
        Vector head = part(y, h * a.qk_dim, a.qk_dim);
        if (a.qk_norm == model::QkNorm::kPerHead) head = norm(head, weight, c_.norm_eps);
        for (double& value : head) value = clip(value);
        rotate(head, 0, position);
        to.push_back(head);
      }
    };
    finish(times(w.q, x), a.heads, w.q_norm, heads.q);
    finish(times(w.k, x), a.kv_heads, w.k_norm, heads.k);
    Vector v = times(w.v, x);
    for (double& value : v) value = clip(value);
    for (int h = 0; h < a.kv_heads; ++h) heads.v.push_back(part(v, h * a.v_dim, a.v_dim));
    return heads;
  }

  double clip(double value) const {
    const auto& limit = c_.attention.clip_qkv;
    return limit ? std::clamp(value, -*limit, *limit) : value;
  }

  Heads latent_heads(const model::AttentionWeights& w, const Vector& x, size_t position) const {
    const model::Attention& a = c_.attention;
    const model::Latent& l = *a.latent;
    Heads heads;
    const Vector q = l.q_rank ? times(w.q_b, norm(times(w.q_a, x), w.q_a_norm, l.norm_eps)) : times(w.q, x);
    const Vector low = times(w.kv_a, x);
    Vector rope = part(low, l.kv_rank, l.rope_dim);
    rotate(rope, 0, position);
    const Vector high = times(w.kv_b, norm(part(low, 0, l.kv_rank), w.kv_a_norm, l.norm_eps));
    for (int h = 0; h < a.heads; ++h) {
      Vector query = part(q, h * a.qk_dim, a.qk_dim);
      rotate(query, static_cast<size_t>(l.nope_dim), position);
      Vector key = part(high, h * (l.nope_dim + a.v_dim), l.nope_dim);
      key.insert(key.end(), rope.begin(), rope.end());
      heads.q.push_back(query);
      heads.k.push_back(key);
      heads.v.push_back(part(high, h * (l.nope_dim + a.v_dim) + l.nope_dim, a.v_dim));
    }
    return heads;
  }

  std::vector<Vector> attention(const model::AttentionWeights& w, const std::vector<Vector>& x) const {
    const model::Attention& a = c_.attention;
    std::vector<Heads> tokens;
    for (size_t t = 0; t < x.size(); ++t)
      tokens.push_back(a.latent ? latent_heads(w, x[t], t) : plain_heads(w, x[t], t));
    std::vector<Vector> result;
    for (size_t t = 0; t < x.size(); ++t) {
      Vector out;
      for (size_t h = 0; h < static_cast<size_t>(a.heads); ++h) {
        const size_t kv = h * static_cast<size_t>(a.kv_heads) / static_cast<size_t>(a.heads);
        Vector weight, sum(static_cast<size_t>(a.v_dim));
        for (size_t s = 0; s <= t; ++s) weight.push_back(a.scale * dot(tokens[t].q[h], tokens[s].k[kv]));
        const double most = *std::max_element(weight.begin(), weight.end());
        for (double& value : weight) value = std::exp(value - most);
        const double total = std::accumulate(weight.begin(), weight.end(), 0.0);
        for (size_t s = 0; s <= t; ++s) add(sum, tokens[s].v[kv], weight[s] / total);
        out.insert(out.end(), sum.begin(), sum.end());
      }
      result.push_back(times(w.o, out));
    }
    return result;
  }

  Routed route(const model::MoeWeights& w, const Vector& x, int layer) const {
    const model::Router& r = c_.router;
    const size_t experts = static_cast<size_t>(r.experts);
    Vector z = times(w.router, x);
    std::vector<bool> masked(experts);
    if (const auto found = policy_.masked.find(layer); found != policy_.masked.end()) {
      for (const int id : found->second) masked[static_cast<size_t>(id)] = true;
    }
    const bool drop = policy_.mask_mode == MaskMode::kDrop;
    for (size_t e = 0; e < experts; ++e)
      z[e] = masked[e] && !drop ? -std::numeric_limits<double>::infinity() : z[e];
    Vector score(experts);
    const double most = *std::max_element(z.begin(), z.end());
    for (size_t e = 0; e < experts; ++e)
      score[e] = r.score == model::RouterScore::kSoftmax ? std::exp(z[e] - most) : 1 / (1 + std::exp(-z[e]));
    const double total = std::accumulate(score.begin(), score.end(), 0.0);
    Routed routed;
    for (const double value : score) routed.probs.push_back(value / total);
    if (r.score == model::RouterScore::kSoftmax) score = routed.probs;

    Vector choice = score;
    if (w.correction_bias) add(choice, all(w.correction_bias), 1);
    const size_t size = experts / static_cast<size_t>(r.groups);
    std::vector<std::pair<double, int>> groups;
    for (int g = 0; g < r.groups; ++g) {
      Vector in(choice.begin() + static_cast<int64_t>(size) * g,
                choice.begin() + static_cast<int64_t>(size) * (g + 1));
      std::sort(in.rbegin(), in.rend());
      groups.push_back(
          {-(in[0] + (r.group_score == model::GroupScore::kSumOfTwoBest && size > 1 ? in[1] : 0)), g});
    }
    std::stable_sort(groups.begin(), groups.end());
    std::vector<std::pair<double, int>> order;
    for (int g = 0; g < r.top_groups; ++g) {
      for (size_t e = size * static_cast<size_t>(groups[static_cast<size_t>(g)].second), i = 0; i < size;
           ++e, ++i) {
        if (drop || !masked[e]) order.push_back({-choice[e], static_cast<int>(e)});
      }
    }
    std::sort(order.begin(), order.end());
    order.resize(static_cast<size_t>(policy_.top_k.value_or(r.top_k)));
    double sum = 0;
    for (const auto& [unused, e] : order) sum += score[static_cast<size_t>(e)];
    for (const auto& [unused, e] : order) {
      const double weight = score[static_cast<size_t>(e)] * r.scaling / (r.normalize_top_k ? sum : 1);
      routed.ids.push_back(e);
      routed.weights.push_back(masked[static_cast<size_t>(e)] ? 0 : weight);
    }
    return routed;
  }

  Vector experts(const model::MoeWeights& w, const Vector& x, int layer) {
    Routed routed = route(w, x, layer);
    Vector y(x.size());
    if (policy_.without_routed.contains(layer)) std::fill(routed.weights.begin(), routed.weights.end(), 0);
    for (size_t j = 0; j < routed.ids.size(); ++j)
      add(y, gated(w.experts[static_cast<size_t>(routed.ids[j])], x), routed.weights[j]);
    if (w.shared.gate && !policy_.without_shared.contains(layer))
      add(y, gated(w.shared, x), w.shared_gate ? 1 / (1 + std::exp(-times(w.shared_gate, x)[0])) : 1.0);
    routing.back().push_back(routed);
    return y;
  }

  const model::Model& model_;
  const model::ModelConfig& c_;
  RoutingPolicy policy_;
};

}  // namespace committee::engine
