#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "trace/reader.h"
#include "trace/writer.h"

// Synthetic traces for benchmarks and studies of the audit.
namespace committee::bench {

struct Shape {
  int64_t samples = 0;
  int layers = 1, experts = 16, top_k = 4, domains = 6;
};

// Gives the logits of a sample: [L, E], from its domain and a source of noise.
using Logits = std::function<void(int domain, Random& random, std::vector<double>& logits)>;

// A standard normal deviate (Box-Muller, one of the pair).
inline double normal(Random& random) {
  const double u = 1 - random.uniform(), v = random.uniform();
  return std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v);
}

// Writes a last-position trace of softmax(logits); sample i is of domain i·T/N.
inline trace::Trace write_trace(const std::filesystem::path& folder, const Shape& shape, uint64_t seed,
                                const Logits& logits_of) {
  trace::Manifest manifest;
  manifest.model.name = manifest.model.model_type = manifest.model.fingerprint = "synthetic";
  manifest.model.experts = shape.experts;
  manifest.model.top_k = shape.top_k;
  for (int l = 0; l < shape.layers; ++l) manifest.model.moe_layers.push_back(l);
  auto writer = trace::TraceWriter::create(folder, manifest, std::vector<int32_t>(shape.samples, 1),
                                           trace::Existing::kOverwrite);
  const int64_t width = static_cast<int64_t>(shape.layers) * shape.experts;
  std::vector<double> logits(width);
  std::vector<float> probs(width), weights(shape.layers * shape.top_k);
  std::vector<uint16_t> ids(weights.size());
  for (int64_t i = 0; i < shape.samples; ++i) {
    const int domain = static_cast<int>(i * shape.domains / shape.samples);
    Random random(seed, static_cast<uint64_t>(i));
    logits_of(domain, random, logits);
    for (int l = 0; l < shape.layers; ++l) {
      double total = 0;
      const double* z = &logits[l * shape.experts];
      for (int e = 0; e < shape.experts; ++e) total += std::exp(z[e]);
      for (int e = 0; e < shape.experts; ++e) {
        probs[l * shape.experts + e] = static_cast<float>(std::exp(z[e]) / total);
      }
      std::vector<uint16_t> order(shape.experts);
      for (int e = 0; e < shape.experts; ++e) order[e] = static_cast<uint16_t>(e);
      std::partial_sort(order.begin(), order.begin() + shape.top_k, order.end(),
                        [&](auto a, auto b) { return z[a] != z[b] ? z[a] > z[b] : a < b; });
      for (int r = 0; r < shape.top_k; ++r) {
        ids[l * shape.top_k + r] = order[r];
        weights[l * shape.top_k + r] = probs[l * shape.experts + order[r]];
      }
    }
    const auto token = static_cast<int32_t>(random.below(1000));
    writer->begin_chunk({{static_cast<int32_t>(i)}, {0}, {token}, {1}});
    writer->record_rows({0, 1, probs, ids, weights});
    writer->end_chunk();
    trace::SampleInfo info;
    info.id = std::to_string(i);
    info.domain = "domain " + std::to_string(domain);
    info.tokens = 1;
    writer->add_samples(i, std::span(&info, 1));
  }
  writer->finish();
  return trace::Trace::open(folder);
}

}  // namespace committee::bench
