#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "model/config.h"

namespace committee::model {

// Numbers of weights, by config alone.
struct ParameterCount {
  uint64_t embedding = 0;  // with lm_head where that is not tied
  uint64_t attention = 0;  // of one layer, its norms included
  uint64_t router = 0;     // of one MoE layer
  uint64_t expert = 0;     // of one routed expert
  uint64_t shared = 0;     // of one MoE layer's shared experts and their gate
  uint64_t dense = 0;      // of one dense feed-forward
  uint64_t total = 0;
  uint64_t active = 0;  // that one token meets: all but the routed experts it does not take
};
ParameterCount count_parameters(const ModelConfig& config);

// What `inspect` shows of a model.
struct ModelSummary {
  ModelConfig config;
  ParameterCount parameters;
  std::string attention, router;  // in words

  int bytes_per_weight = 2;  // by the config's dtype; 2 where that says nothing
  uint64_t weight_bytes = 0;
  std::optional<uint64_t> file_bytes;  // of the safetensors files, where there are any

  // An estimate of the memory of a pass over `pass_tokens` tokens: the weights of the two largest layers that
  // follow each other, embedding and lm_head, and the float32 activations of one layer.
  int64_t pass_tokens = 0;
  uint64_t pass_bytes = 0;
};

// Of a checkpoint folder, with or without its weights, or of a config.json. Quantised checkpoints too.
ModelSummary summarise(const std::filesystem::path& path, int64_t pass_tokens = 4096);

}  // namespace committee::model
