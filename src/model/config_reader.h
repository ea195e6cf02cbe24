#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/config.h"

namespace committee::model {

// Fields of a config.json, each checked for its type and range. null counts as absent. Throws Error naming
// file and field.
class ConfigReader {
 public:
  ConfigReader(const Json& json, std::string file);

  const std::string& file() const { return file_; }
  bool has(const char* key) const;

  // A size: an integer in [1, 2^24], so that a product of two never overflows an int64_t.
  int size(const char* key) const;
  int size(const char* key, int otherwise) const;
  // The size that goes by any of these names; where several are there they must agree.
  int size(std::initializer_list<const char*> keys) const;
  // An integer in [0, 2^24].
  int count(const char* key, int otherwise) const;
  // A finite number; positive() one above 0.
  double number(const char* key, double otherwise) const;
  double positive(const char* key, double otherwise) const;
  bool flag(const char* key, bool otherwise) const;
  std::string text(const char* key, const std::string& otherwise) const;
  // One integer or an array of them; empty where absent.
  std::vector<int> integers(const char* key) const;
  // An object as a reader of its own, with ": key" behind the file's name; nothing where absent.
  std::optional<ConfigReader> object(const char* key) const;

  // Refuse what is not supported: a flag that is true, a text that is none of those.
  void refuse_true(const char* key) const;
  void only(const char* key, std::initializer_list<const char*> allowed) const;

  [[noreturn]] void fail(const char* key, const std::string& rule) const;

 private:
  const Json* find(const char* key) const;

  const Json* json_;
  std::string file_;
};

// What every family has: layers, d_model, vocab, positions, norm_eps, tied embeddings, end tokens, dtype,
// quantisation, and an activation that must be SiLU.
void read_decoder(const ConfigReader& in, double default_norm_eps, ModelConfig& out);

// Grouped-query attention: heads, kv_heads, head_dim (d_model / heads where absent), scale head_dim^-0.5.
void read_heads(const ConfigReader& in, ModelConfig& out);

// rope_parameters (new style), or rope_theta and rope_scaling (old), for heads whose `head_dim` dimensions
// rotate, or their first part by partial_rotary_factor. Kinds: default, linear, yarn. Returns YaRN's
// m(mscale_all_dim) = 0.1·mscale_all_dim·ln(factor) + 1, else 1: DeepSeek multiplies the softmax scale by its
// square.
double read_rope(const ConfigReader& in, double default_theta, double default_partial, int head_dim,
                 ModelConfig& out);

// Refuses a sliding window that is narrower than max_position_embeddings.
void refuse_sliding_window(const ConfigReader& in, const ModelConfig& config);

// Layers from `first` on have routed experts; or those of Qwen's decoder_sparse_step and mlp_only_layers.
void moe_from(int first, ModelConfig& out);
void moe_by_sparse_step(const ConfigReader& in, ModelConfig& out);

}  // namespace committee::model
