#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "collect.h"
#include "engine/engine.h"
#include "model/safetensors.h"

namespace committee::engine {

// A folder of goldens/models: a checkpoint, prompts, and what Hugging Face's transformers computes for them;
// or a fixture cut from one, in which some prompts are not whole: they have neither logits nor generated
// tokens.
struct Golden {
  explicit Golden(const std::filesystem::path& folder)
      : checkpoint(model::Model::open(folder)),
        tensors(model::SafetensorsFile::open(folder / "reference.safetensors")),
        description(read_json(folder / "reference.json")) {
    const bool cut = exists(folder / "reference_tokens.jsonl");
    std::ifstream lines(folder / (cut ? "reference_tokens.jsonl" : "tokens.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      Sequence sequence;
      sequence.sample = static_cast<int32_t>(sequences.size());
      const Json json = Json::parse(line);
      sequence.tokens = json["tokens"].get<std::vector<int32_t>>();
      for (size_t p = 0; p < sequence.tokens.size(); ++p)
        sequence.recorded.push_back(static_cast<int32_t>(p));
      sequence.wants_logits = json.value("whole", true);
      sequences.push_back(std::move(sequence));
    }
  }

  template <typename T>
  const T* values(const std::string& key) const {
    const model::Tensor* tensor = tensors.find(key);
    if (!tensor) throw Error("the reference lacks {}", key);
    return reinterpret_cast<const T*>(tensor->data);
  }

  RoutingPolicy policy(const std::string& variant) const {
    RoutingPolicy policy;
    const Json& json = description["variants"][variant];
    if (json.contains("top_k")) policy.top_k = json["top_k"].get<int>();
    for (const char* key : {"mask", "drop"}) {
      if (!json.contains(key)) continue;
      if (key == std::string("drop")) policy.mask_mode = MaskMode::kDrop;
      for (const auto& [layer, ids] : json[key].items())
        policy.masked[std::stoi(layer)] = ids.get<std::vector<int>>();
    }
    return policy;
  }

  std::vector<std::string> variants() const {
    std::vector<std::string> names;
    for (const auto& [name, unused] : description["variants"].items()) names.push_back(name);
    return names;
  }

  std::vector<Sequence> whole() const {
    std::vector<Sequence> result;
    std::copy_if(sequences.begin(), sequences.end(), std::back_inserter(result),
                 [](const Sequence& sequence) { return sequence.wants_logits; });
    return result;
  }

  model::Model checkpoint;
  model::SafetensorsFile tensors;
  Json description;
  std::vector<Sequence> sequences;
};

// How far a computation is from a golden.
struct Difference {
  int64_t cells = 0, unequal_sets = 0;  // rows times layers; of them those that execute other experts
  double probs = 0, weights = 0, logits = 0, logprobs = 0;  // the largest absolute differences
  int64_t unequal_tokens = 0;                               // of the generated ones

  bool within_tolerance() const {
    return unequal_sets == 0 && unequal_tokens == 0 && probs < 1e-4 && weights < 2.5e-4 && logits < 1e-3 &&
           logprobs < 1e-3;
  }
};

inline double worst(double so_far, double a, double b) {
  const double difference = std::abs(a - b);
  return difference <= so_far ? so_far : difference;  // a NaN is kept
}

inline void compare_routing(const Golden& golden, const std::string& prefix, const Collect& got, int k,
                            Difference& d) {
  const model::ModelConfig& config = golden.checkpoint.config();
  const int64_t cells = got.rows() * static_cast<int64_t>(config.moe_layers.size());
  const float* probs = golden.values<float>(prefix + ".probs");
  const float* weights = golden.values<float>(prefix + ".topk_weight");
  const int32_t* ids = golden.values<int32_t>(prefix + ".topk_id");
  for (int64_t i = 0; i < cells * config.router.experts; ++i)
    d.probs = worst(d.probs, got.probs[static_cast<size_t>(i)], probs[i]);
  for (int64_t c = 0; c < cells; ++c) {
    const std::set<int> expected(ids + c * k, ids + (c + 1) * k);
    const std::set<int> found(got.ids.begin() + c * k, got.ids.begin() + (c + 1) * k);
    d.unequal_sets += expected != found;
    for (int64_t i = c * k; i < (c + 1) * k; ++i)
      d.weights = worst(d.weights, got.weights[static_cast<size_t>(i)], weights[i]);
  }
  d.cells += cells;
}

inline double log_softmax_at(std::span<const float> logits, size_t index) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float z : logits) sum += std::exp(z - most);
  return logits[index] - most - std::log(sum);
}

// All variants in one pass, each compared with its reference.
inline std::vector<Difference> check_prefill(const Golden& golden, Engine& engine) {
  const model::ModelConfig& config = golden.checkpoint.config();
  const std::vector<std::string> names = golden.variants();
  const size_t vocab = static_cast<size_t>(config.vocab);
  std::vector<Difference> result(names.size());
  std::vector<Collect> sinks;
  std::vector<Variant> variants;
  for (const std::string& name : names) {
    const RoutingPolicy policy = golden.policy(name);
    sinks.emplace_back(static_cast<int>(config.moe_layers.size()), config.router.experts,
                       policy.top_k.value_or(config.router.top_k));
    variants.push_back({policy, nullptr, {}});
  }
  for (size_t v = 0; v < names.size(); ++v) {
    variants[v].sink = &sinks[v];
    variants[v].on_logits = [&, v](size_t sequence, std::span<const float> logits) {
      const auto before = golden.sequences.begin() + static_cast<int64_t>(sequence);
      const size_t s = static_cast<size_t>(std::count_if(
          golden.sequences.begin(), before, [](const Sequence& other) { return other.wants_logits; }));
      const float* expected = golden.values<float>(names[v] + ".logits") + s * vocab;
      for (size_t i = 0; i < vocab; ++i) result[v].logits = worst(result[v].logits, logits[i], expected[i]);
      if (names[v] != "base") return;
      for (size_t letter = 0; letter < 4; ++letter) {
        const size_t token = golden.description["letter_tokens"][letter][0].get<size_t>();
        const double logprob = golden.values<double>("base.answer_logprobs")[s * 4 + letter];
        result[v].logprobs = worst(result[v].logprobs, log_softmax_at(logits, token), logprob);
      }
    };
  }
  engine.prefill(golden.sequences, variants, {});
  for (size_t v = 0; v < names.size(); ++v)
    compare_routing(golden, names[v], sinks[v], variants[v].policy.top_k.value_or(config.router.top_k),
                    result[v]);
  return result;
}

// Greedy continuation, and the routing of the tokens made.
inline Difference check_generation(const Golden& golden, Engine& engine) {
  const model::ModelConfig& config = golden.checkpoint.config();
  const int count = golden.description["generate"].get<int>();
  Collect sink(static_cast<int>(config.moe_layers.size()), config.router.experts, config.router.top_k);
  const auto tokens = engine.generate(golden.whole(), count, {{}, &sink, {}}, {});
  Difference result;
  const int32_t* expected = golden.values<int32_t>("generated.tokens");
  for (size_t s = 0; s < tokens.size(); ++s) {
    for (size_t i = 0; i < static_cast<size_t>(count); ++i)
      result.unequal_tokens +=
          i >= tokens[s].size() || tokens[s][i] != expected[s * static_cast<size_t>(count) + i];
  }
  if (result.unequal_tokens == 0) compare_routing(golden, "generated", sink, config.router.top_k, result);
  return result;
}

}  // namespace committee::engine
