#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/tensor.h"

namespace committee::model {

class Checkpoint;

// down(silu(gate(x)) · up(x)): gate and up [width, d], down [d, width]. Where up has gate's dtype and begins
// at the byte after gate's last the two are one [2·width, d] matrix.
struct GatedFeedForward {
  Tensor gate, up, down;
};

// A Linear has a bias exactly where the config asks for one.
struct AttentionWeights {
  Linear q, k, v, o;            // [heads·qk_dim, d], [kv_heads·…, d], …, [d, heads·v_dim]
  Tensor q_norm, k_norm;        // as ModelConfig::attention.qk_norm says
  Linear q_a, q_b, kv_a, kv_b;  // latent: q_a [q_rank, d], q_b [heads·qk_dim, q_rank],
  Tensor q_a_norm, kv_a_norm;   //   kv_a [kv_rank + rope, d], kv_b [heads·(nope + v), kv_rank]
};

struct MoeWeights {
  Tensor router;           // [experts, d]
  Tensor correction_bias;  // [experts], or absent
  std::vector<GatedFeedForward> experts;
  GatedFeedForward shared;  // absent without shared experts
  Tensor shared_gate;       // [1, d], or absent
};

struct LayerWeights {
  Tensor attention_norm, ffn_norm;  // [d]
  AttentionWeights attention;
  MoeWeights moe;          // in MoE layers
  GatedFeedForward dense;  // in the others
};

// All tensors of a layer, those that are absent among them.
std::vector<Tensor*> tensors_of(LayerWeights& layer);
std::vector<const Tensor*> tensors_of(const LayerWeights& layer);

// Every tensor of a checkpoint by its role, checked against the config: dtype F32, BF16 or F16 and the exact
// shape. Views into mapped files; nothing is read but the headers.
struct ModelWeights {
  Tensor embedding;  // [vocab, d]
  Tensor final_norm;
  Tensor lm_head;  // [vocab, d]; the embedding where tied
  std::vector<LayerWeights> layers;
};

// A checkpoint folder opened: config, weights and the files beneath them. Throws Error naming file, tensor
// and rule.
class Model {
 public:
  static Model open(const std::filesystem::path& folder);
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  const std::filesystem::path& folder() const;
  const ModelConfig& config() const;
  const ModelWeights& weights() const;

  // Hints to the kernel: read the pages of a layer ahead, drop them from memory. layer in [0, layers).
  void read_ahead(int layer) const;
  void drop(int layer) const;
  size_t layer_bytes(int layer) const;
  // The same of one tensor: without it, touching it reads megabytes around it.
  void read_ahead(const Tensor& tensor) const;
  // The share of a layer's pages that the kernel has in memory, as far as it tells.
  double in_memory(int layer) const;

  // Reads a layer past the page cache into `room` of layer_room() bytes, and returns its weights there, each
  // as far from a page's begin as in its file. Throws Error where they cannot be read. Thread-safe.
  LayerWeights read(int layer, std::span<std::byte> room) const;
  size_t layer_room(int layer) const;

  // Of config.json, every tensor's name, dtype and shape, and some of the tensors' bytes: 16 hex digits that
  // do not depend on the folder's name or the sharding. Computed at the first call, which reads a page or so
  // of each tensor sampled: all of a checkpoint below 256 MB, else 64 of them. Thread-safe.
  const std::string& fingerprint() const;

 private:
  struct State;
  explicit Model(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// MODEL of the command line: a folder, or a hub id ("org/name", "org/name@revision") in the local Hugging
// Face cache (HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub; refs/REVISION → snapshots/HASH). Throws
// Error saying where it looked.
std::filesystem::path find_model(const std::string& model);

}  // namespace committee::model
