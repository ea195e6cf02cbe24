#pragma once

#include <string>
#include <string_view>

#include "model/config.h"
#include "model/config_reader.h"

namespace committee::model {

// How checkpoints spell a part of a tensor's name; `other` is a second spelling in the wild.
struct Spelling {
  std::string_view name, other = {};
};

// Names of the tensors by role, the parts that differ between families. docs/families.md has all of them.
struct TensorNames {
  Spelling block = {"mlp"};  // of a layer's feed-forward or experts
  Spelling router = {"gate"};
  Spelling gate = {"gate_proj"}, up = {"up_proj"}, down = {"down_proj"};  // inside an expert
  Spelling shared = {"shared_experts"}, shared_gate = {"shared_expert_gate"};
};

// One model family: how its config.json becomes a ModelConfig, and its tensors' names. Nothing else knows it.
struct Family {
  std::string_view model_type;  // of config.json
  void (*describe)(const ConfigReader& in, ModelConfig& out);
  TensorNames names;
};

// The family of that name in the table (table.cc). Throws Error listing those it has.
const Family& find_family(const std::string& model_type, const std::string& file);

}  // namespace committee::model
