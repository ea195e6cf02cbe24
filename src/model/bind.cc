#include "model/bind.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <unordered_set>
#include <utility>

#include "base/error.h"

namespace committee::model {

namespace {

using Shape = std::vector<int64_t>;

// Rows [first, first + rows) of a tensor of two dimensions, or slice `first` of one of three with rows = 0.
Tensor part_of(const Tensor& whole, int64_t first, int64_t rows) {
  Tensor part = whole;
  const size_t step = whole.bytes / static_cast<size_t>(whole.shape[0]);
  part.data = whole.data + static_cast<size_t>(first) * step;
  if (rows == 0) {
    part.name = fmt::format("{}[{}]", whole.name, first);
    part.shape.erase(part.shape.begin());
    part.bytes = step;
  } else {
    part.name = fmt::format("{}[{}:{}]", whole.name, first, first + rows);
    part.shape[0] = rows;
    part.bytes = step * static_cast<size_t>(rows);
  }
  return part;
}

class Binder {
 public:
  Binder(const ModelConfig& config, const TensorNames& names, const Checkpoint& checkpoint)
      : config_(config), names_(names), checkpoint_(checkpoint) {
    if (!checkpoint.find("model.embed_tokens.weight") && checkpoint.find("embed_tokens.weight")) prefix_ = "";
  }

  BoundWeights bind() {
    BoundWeights result;
    const int64_t d = config_.d_model, vocab = config_.vocab;
    ModelWeights& weights = result.weights;
    weights.embedding = take(prefix_ + "embed_tokens.weight", {vocab, d});
    weights.final_norm = take(prefix_ + "norm.weight", {d});
    weights.lm_head = config_.tied_embeddings ? weights.embedding : take("lm_head.weight", {vocab, d});
    for (int layer = 0; layer < config_.layers; ++layer) {
      ranges_.clear();
      weights.layers.push_back(bind_layer(layer));
      result.layers.push_back(joined_ranges());
    }
    refuse_unused();
    return result;
  }

 private:
  LayerWeights bind_layer(int layer) {
    const std::string base = fmt::format("{}layers.{}", prefix_, layer);
    const int64_t d = config_.d_model;
    LayerWeights weights;
    weights.attention_norm = take(base + ".input_layernorm.weight", {d});
    weights.ffn_norm = take(base + ".post_attention_layernorm.weight", {d});
    weights.attention =
        config_.attention.latent ? bind_latent(base + ".self_attn") : bind_heads(base + ".self_attn");
    const std::string block = spelled(base + ".", names_.block, ".");
    if (config_.is_moe(layer)) {
      weights.moe = bind_moe(block);
    } else {
      weights.dense = feed_forward(block, config_.dense_width);
    }
    return weights;
  }

  AttentionWeights bind_heads(const std::string& base) {
    const Attention& attention = config_.attention;
    const int64_t d = config_.d_model, q = int64_t{attention.heads} * attention.qk_dim,
                  k = int64_t{attention.kv_heads} * attention.qk_dim,
                  v = int64_t{attention.kv_heads} * attention.v_dim;
    AttentionWeights weights;
    weights.q = linear(base + ".q_proj", q, d, attention.qkv_bias);
    weights.k = linear(base + ".k_proj", k, d, attention.qkv_bias);
    weights.v = linear(base + ".v_proj", v, d, attention.qkv_bias);
    weights.o =
        linear(base + ".o_proj", d, int64_t{attention.heads} * attention.v_dim, attention.output_bias);
    if (attention.qk_norm != QkNorm::kNone) {
      const bool whole = attention.qk_norm == QkNorm::kWholeProjection;
      weights.q_norm = take(base + ".q_norm.weight", {whole ? q : attention.qk_dim});
      weights.k_norm = take(base + ".k_norm.weight", {whole ? k : attention.qk_dim});
    }
    return weights;
  }

  AttentionWeights bind_latent(const std::string& base) {
    const Attention& attention = config_.attention;
    const Latent& latent = *attention.latent;
    const int64_t d = config_.d_model, q = int64_t{attention.heads} * attention.qk_dim;
    AttentionWeights weights;
    if (latent.q_rank == 0) {
      weights.q = linear(base + ".q_proj", q, d, false);
    } else {
      weights.q_a = linear(base + ".q_a_proj", latent.q_rank, d, attention.qkv_bias);
      weights.q_a_norm = take(base + ".q_a_layernorm.weight", {latent.q_rank});
      weights.q_b = linear(base + ".q_b_proj", q, latent.q_rank, false);
    }
    weights.kv_a =
        linear(base + ".kv_a_proj_with_mqa", latent.kv_rank + latent.rope_dim, d, attention.qkv_bias);
    weights.kv_a_norm = take(base + ".kv_a_layernorm.weight", {latent.kv_rank});
    weights.kv_b = linear(base + ".kv_b_proj", int64_t{attention.heads} * (latent.nope_dim + attention.v_dim),
                          latent.kv_rank, false);
    weights.o =
        linear(base + ".o_proj", d, int64_t{attention.heads} * attention.v_dim, attention.output_bias);
    return weights;
  }

  MoeWeights bind_moe(const std::string& block) {
    const int64_t d = config_.d_model, experts = config_.router.experts;
    MoeWeights weights;
    const std::string router = spelled(block + ".", names_.router, ".weight");
    weights.router = take(router + ".weight", {experts, d});
    if (config_.router.correction_bias) {
      weights.correction_bias = take(router + ".e_score_correction_bias", {experts});
    }
    bind_experts(block + ".experts", weights.experts);
    if (config_.shared_experts > 0) {
      weights.shared = feed_forward(block + "." + std::string(names_.shared.name), config_.shared_width);
    }
    if (config_.shared_gate) {
      weights.shared_gate = take(fmt::format("{}.{}.weight", block, names_.shared_gate.name), {1, d});
    }
    return weights;
  }

  void bind_experts(const std::string& base, std::vector<GatedFeedForward>& experts) {
    const int64_t d = config_.d_model, width = config_.expert_width, count = config_.router.experts;
    const std::string fused = fused_name(base + ".gate_up_proj");
    if (fused.empty()) {
      for (int64_t e = 0; e < count; ++e)
        experts.push_back(feed_forward(fmt::format("{}.{}", base, e), width));
      return;
    }
    const Tensor gate_up = take(fused, {count, 2 * width, d});
    const std::string down_name = fused_name(base + ".down_proj");
    const Tensor down = take(down_name.empty() ? base + ".down_proj" : down_name, {count, d, width});
    for (int64_t e = 0; e < count; ++e) {
      const Tensor both = part_of(gate_up, e, 0);
      experts.push_back({part_of(both, 0, width), part_of(both, width, width), part_of(down, e, 0)});
    }
  }

  // The name of a fused tensor, which ends in `.weight` or not; empty where it is not there.
  std::string fused_name(const std::string& name) const {
    for (const char* end : {"", ".weight"}) {
      if (checkpoint_.find(name + end)) return name + end;
    }
    return "";
  }

  GatedFeedForward feed_forward(const std::string& base, int64_t width) {
    const int64_t d = config_.d_model;
    GatedFeedForward weights;
    const std::string fused = fused_name(base + ".gate_up_proj");
    if (!fused.empty()) {
      const Tensor both = take(fused, {2 * width, d});
      weights.gate = part_of(both, 0, width);
      weights.up = part_of(both, width, width);
    } else {
      weights.gate = take(spelled(base + ".", names_.gate, ".weight") + ".weight", {width, d});
      weights.up = take(spelled(base + ".", names_.up, ".weight") + ".weight", {width, d});
    }
    weights.down = take(spelled(base + ".", names_.down, ".weight") + ".weight", {d, width});
    return weights;
  }

  Linear linear(const std::string& base, int64_t out, int64_t in, bool bias) {
    return {take(base + ".weight", {out, in}), bias ? take(base + ".bias", {out}) : Tensor{}};
  }

  // The spelling that is in the checkpoint, the first one where neither is. A `suffix` of "." asks for a
  // block of tensors, known by the router or gate inside it.
  std::string spelled(const std::string& before, const Spelling& spelling, const std::string& suffix) const {
    const std::string first = before + std::string(spelling.name);
    if (spelling.other.empty()) return first;
    const std::string other = before + std::string(spelling.other);
    const std::string probe = suffix == "." ? fmt::format(".{}.weight", names_.router.name) : suffix;
    return !checkpoint_.find(first + probe) && checkpoint_.find(other + probe) ? other : first;
  }

  Tensor take(const std::string& name, const Shape& shape) {
    const Checkpoint::Found* found = checkpoint_.find(name);
    if (!found) missing(name);
    const Tensor& tensor = *found->tensor;
    const std::string file = checkpoint_.files()[found->file].path().string();
    if (tensor.dtype != DType::kF32 && tensor.dtype != DType::kBF16 && tensor.dtype != DType::kF16) {
      throw Error("{}: tensor \"{}\" has dtype {}, must be F32, BF16 or F16{}", file, name,
                  name_of(tensor.dtype),
                  bits_of(tensor.dtype) <= 8 ? ": quantised weights are not supported" : "");
    }
    if (tensor.shape != shape) {
      throw Error("{}: tensor \"{}\" has shape {}, the config asks for {}", file, name,
                  format_shape(tensor.shape), format_shape(shape));
    }
    used_.insert(&tensor);
    const auto begin = checkpoint_.files()[found->file].file().bytes().data();
    ranges_.push_back({found->file, static_cast<size_t>(tensor.data - begin), tensor.bytes});
    return tensor;
  }

  [[noreturn]] void missing(const std::string& name) const {
    const std::string folder = checkpoint_.folder().string();
    const std::string base = name.ends_with(".weight") ? name.substr(0, name.size() - 7) : name;
    for (const char* packed : {".qweight", ".weight_packed", "_blocks", ".weight_quantized"}) {
      if (checkpoint_.find(base + packed)) {
        throw Error(
            "{}: tensor \"{}\" is missing, there is only \"{}{}\": quantised weights are not supported",
            folder, name, base, packed);
      }
    }
    throw Error("{}: tensor \"{}\" is missing, the config asks for it", folder, name);
  }

  std::vector<FileRange> joined_ranges() {
    std::sort(ranges_.begin(), ranges_.end(), [](const FileRange& a, const FileRange& b) {
      return std::pair(a.file, a.offset) < std::pair(b.file, b.offset);
    });
    std::vector<FileRange> joined;
    for (const FileRange& range : ranges_) {
      if (!joined.empty() && joined.back().file == range.file &&
          joined.back().offset + joined.back().bytes == range.offset) {
        joined.back().bytes += range.bytes;
      } else {
        joined.push_back(range);
      }
    }
    return joined;
  }

  void refuse_unused() const {
    for (const SafetensorsFile& file : checkpoint_.files()) {
      for (const Tensor& tensor : file.tensors()) {
        if (used_.count(&tensor) == 0) refuse_if_it_matters(tensor.name, file.path().string());
      }
    }
  }

  void refuse_if_it_matters(const std::string& name, const std::string& file) const {
    if (name.find("rotary_emb.") != std::string::npos) return;
    if (name == "lm_head.weight" && config_.tied_embeddings) return;
    const std::string layers = prefix_ + "layers.";
    if (name.starts_with(layers)) {
      int64_t layer = -1;
      std::from_chars(name.data() + layers.size(), name.data() + name.size(), layer);
      if (layer >= config_.layers && layer < int64_t{config_.layers} + config_.prediction_layers) return;
      if (layer >= config_.layers) {
        throw Error("{}: tensor \"{}\" belongs to layer {}, but the config has only {} layers", file, name,
                    layer, config_.layers);
      }
    } else if (prefix_.empty() ? !name.starts_with("norm.") && !name.starts_with("embed_tokens.") &&
                                     !name.starts_with("lm_head.")
                               : !name.starts_with(prefix_) && !name.starts_with("lm_head.")) {
      return;
    }
    throw Error("{}: tensor \"{}\" has no place in this {} model", file, name, config_.model_type);
  }

  const ModelConfig& config_;
  const TensorNames& names_;
  const Checkpoint& checkpoint_;
  std::string prefix_ = "model.";
  std::unordered_set<const Tensor*> used_;
  std::vector<FileRange> ranges_;
};

}  // namespace

BoundWeights bind_weights(const ModelConfig& config, const TensorNames& names, const Checkpoint& checkpoint) {
  return Binder(config, names, checkpoint).bind();
}

}  // namespace committee::model
