// check_shapes SHAPE LAYERS FOLDER [TOKENS]: float32 prefill of a full-size random checkpoint against the
// slow forward pass in double.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <exception>

#include "base/error.h"
#include "base/random.h"
#include "collect.h"
#include "engine/engine.h"
#include "reference.h"
#include "shapes.h"

using namespace committee;
using namespace committee::engine;

namespace {

void check(const std::string& shape, int layers, const std::string& folder, int tokens) {
  const auto model = model::Model::open(bench::make_checkpoint(shape, layers, folder));
  const model::ModelConfig& config = model.config();
  Random random(1);
  Sequence sequence;
  for (int i = 0; i < tokens; ++i) {
    sequence.tokens.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(config.vocab))));
    sequence.recorded.push_back(i);
  }
  sequence.wants_logits = true;
  Collect sink(static_cast<int>(config.moe_layers.size()), config.router.experts, config.router.top_k);
  std::vector<float> logits;
  const Variant variant{
      {}, &sink, [&](size_t, std::span<const float> values) { logits.assign(values.begin(), values.end()); }};
  Engine engine(model, {.threads = 2});
  engine.prefill(std::span(&sequence, 1), std::span(&variant, 1), {});

  Reference reference(model, {});
  reference.run(sequence.tokens);
  double probs = 0, logit = 0;
  int unequal = 0;
  const size_t experts = static_cast<size_t>(config.router.experts),
               k = static_cast<size_t>(config.router.top_k);
  for (size_t l = 0; l < reference.routing.size(); ++l) {
    for (size_t t = 0; t < sequence.tokens.size(); ++t) {
      const Reference::Routed& expected = reference.routing[l][t];
      const size_t cell = t * reference.routing.size() + l;
      for (size_t e = 0; e < experts; ++e)
        probs = std::max(probs, std::abs(expected.probs[e] - sink.probs[cell * experts + e]));
      for (size_t j = 0; j < k; ++j)
        unequal +=
            std::find(expected.ids.begin(), expected.ids.end(), sink.ids[cell * k + j]) == expected.ids.end();
    }
  }
  for (size_t i = 0; i < logits.size(); ++i)
    logit = std::max(logit, std::abs(reference.logits[i] - logits[i]));
  fmt::print(
      "{}, {} layers, {} tokens: probabilities within {:.1e}, logits within {:.1e}, {} of {} executed "
      "experts differ\n",
      shape, layers, tokens, probs, logit, unequal, reference.routing.size() * sequence.tokens.size() * k);
  if (!(probs < 1e-4 && logit < 1e-3 && unequal == 0)) throw Error("{}: out of tolerance", shape);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  try {
    check(argv[1], std::atoi(argv[2]), argv[3], argc > 4 ? std::atoi(argv[4]) : 64);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
