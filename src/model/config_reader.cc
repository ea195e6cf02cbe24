#include "model/config_reader.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace committee::model {

namespace {

constexpr int kMaxSize = 1 << 24;

}  // namespace

ConfigReader::ConfigReader(const Json& json, std::string file) : json_(&json), file_(std::move(file)) {
  if (!json.is_object()) throw Error("{}: must hold a JSON object, found {}", file_, json.type_name());
}

const Json* ConfigReader::find(const char* key) const {
  const auto at = json_->find(key);
  return at == json_->end() || at->is_null() ? nullptr : &*at;
}

bool ConfigReader::has(const char* key) const { return find(key) != nullptr; }

void ConfigReader::fail(const char* key, const std::string& rule) const {
  const Json* value = find(key);
  std::string text = value ? value->dump(-1, ' ', false, Json::error_handler_t::replace) : "nothing";
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  throw Error("{}: \"{}\" {}, found {}", file_, key, rule, text);
}

int ConfigReader::size(const char* key) const {
  if (!has(key)) throw Error("{}: \"{}\" is missing", file_, key);
  return size(key, 0);
}

int ConfigReader::size(const char* key, int otherwise) const {
  const int value = has(key) ? count(key, 0) : otherwise;
  if (has(key) && value == 0) fail(key, "must be at least 1");
  return value;
}

int ConfigReader::size(std::initializer_list<const char*> keys) const {
  const char* first = nullptr;
  for (const char* key : keys) {
    if (!has(key)) continue;
    if (first && size(key) != size(first))
      fail(key, fmt::format("must equal \"{}\", which is {}", first, size(first)));
    if (!first) first = key;
  }
  return size(first ? first : *keys.begin());
}

int ConfigReader::count(const char* key, int otherwise) const {
  const auto value = optional_field<int64_t>(*json_, key, file_);
  if (!value) return otherwise;
  if (*value < 0 || *value > kMaxSize) fail(key, fmt::format("must lie between 0 and {}", kMaxSize));
  return static_cast<int>(*value);
}

double ConfigReader::number(const char* key, double otherwise) const {
  const double value = optional_field<double>(*json_, key, file_).value_or(otherwise);
  if (!std::isfinite(value)) fail(key, "must be finite");
  return value;
}

double ConfigReader::positive(const char* key, double otherwise) const {
  const double value = number(key, otherwise);
  if (has(key) && value <= 0) fail(key, "must be above 0");
  return value;
}

bool ConfigReader::flag(const char* key, bool otherwise) const {
  return optional_field<bool>(*json_, key, file_).value_or(otherwise);
}

std::string ConfigReader::text(const char* key, const std::string& otherwise) const {
  return optional_field<std::string>(*json_, key, file_).value_or(otherwise);
}

std::vector<int> ConfigReader::integers(const char* key) const {
  const Json* value = find(key);
  if (!value) return {};
  std::vector<int> result;
  for (const Json& item : value->is_array() ? *value : Json::array({*value})) {
    if (!item.is_number_integer() || item.get<int64_t>() < 0 || item.get<int64_t>() > kMaxSize) {
      fail(key, fmt::format("must be one integer or several, between 0 and {}", kMaxSize));
    }
    result.push_back(item.get<int>());
  }
  return result;
}

std::optional<ConfigReader> ConfigReader::object(const char* key) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_object()) fail(key, "must be an object");
  return ConfigReader(*value, fmt::format("{}: {}", file_, key));
}

void ConfigReader::refuse_true(const char* key) const {
  if (flag(key, false)) fail(key, "is not supported");
}

void ConfigReader::only(const char* key, std::initializer_list<const char*> allowed) const {
  if (!has(key)) return;
  const std::string value = text(key, "");
  if (std::none_of(allowed.begin(), allowed.end(), [&](const char* name) { return value == name; })) {
    fail(key, fmt::format("is supported as {} only", fmt::join(allowed, " or ")));
  }
}

void read_decoder(const ConfigReader& in, double default_norm_eps, ModelConfig& out) {
  out.layers = in.size("num_hidden_layers");
  out.d_model = in.size("hidden_size");
  out.vocab = in.size("vocab_size");
  out.max_positions = in.size("max_position_embeddings");
  out.norm_eps = in.positive("rms_norm_eps", default_norm_eps);
  out.tied_embeddings = in.flag("tie_word_embeddings", false);
  out.end_tokens = in.integers("eos_token_id");
  out.dtype = in.text("dtype", in.text("torch_dtype", ""));
  out.prediction_layers = in.count("num_nextn_predict_layers", in.count("num_mtp_layers", 0));
  in.only("hidden_act", {"silu", "swish"});
  for (const char* key : {"quantization_config", "compression_config"}) {
    if (const auto quantised = in.object(key))
      out.quantization = quantised->text("quant_method", "unnamed method");
  }
}

void read_heads(const ConfigReader& in, ModelConfig& out) {
  Attention& attention = out.attention;
  attention.heads = in.size("num_attention_heads");
  attention.kv_heads = in.size("num_key_value_heads", attention.heads);
  if (attention.heads % attention.kv_heads != 0) {
    in.fail("num_key_value_heads",
            fmt::format("must divide num_attention_heads, which is {}", attention.heads));
  }
  if (!in.has("head_dim") && out.d_model % attention.heads != 0) {
    in.fail("num_attention_heads", fmt::format("must divide hidden_size, which is {}", out.d_model));
  }
  attention.qk_dim = attention.v_dim = in.size("head_dim", out.d_model / attention.heads);
  attention.scale = 1 / std::sqrt(attention.qk_dim);
}

namespace {

double yarn_mscale(double factor, double mscale) {
  return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1;
}

// `rope` is the object that describes the scaling; returns m(mscale_all_dim).
double read_yarn(const ConfigReader& in, const ConfigReader& rope, ModelConfig& out) {
  Yarn yarn;
  yarn.original_positions = in.positive("original_max_position_embeddings",
                                        rope.positive("original_max_position_embeddings", out.max_positions));
  yarn.factor = rope.positive("factor", out.max_positions / yarn.original_positions);
  yarn.beta_fast = rope.positive("beta_fast", 32);
  yarn.beta_slow = rope.positive("beta_slow", 1);
  yarn.truncate = rope.flag("truncate", true);
  const double mscale = rope.number("mscale", 0), mscale_all = rope.number("mscale_all_dim", 0);
  const double of_all = yarn_mscale(yarn.factor, mscale_all);
  const bool both = mscale != 0 && mscale_all != 0;
  yarn.attention_factor = rope.positive(
      "attention_factor", both ? yarn_mscale(yarn.factor, mscale) / of_all : yarn_mscale(yarn.factor, 1));
  out.attention.rope.yarn = yarn;
  return of_all;
}

}  // namespace

double read_rope(const ConfigReader& in, double default_theta, double default_partial, int head_dim,
                 ModelConfig& out) {
  Rope& rope = out.attention.rope;
  auto scaling = in.object("rope_scaling");
  if (!scaling) scaling = in.object("rope_parameters");
  const ConfigReader& from = scaling ? *scaling : in;

  rope.theta = from.positive("rope_theta", in.positive("rope_theta", default_theta));
  if (rope.theta <= 1) from.fail("rope_theta", "must be above 1");
  const double partial =
      from.positive("partial_rotary_factor", in.positive("partial_rotary_factor", default_partial));
  if (default_partial == 1 && partial != 1) from.fail("partial_rotary_factor", "must be 1 in this family");
  rope.dims = partial <= 1 ? static_cast<int>(head_dim * partial) : 0;
  if (rope.dims < 2 || rope.dims % 2 != 0) {
    throw Error("{}: an even number of a head's {} dimensions must rotate, but {} of them do", in.file(),
                head_dim, partial);
  }
  if (!scaling) return 1;

  const char* key = scaling->has("rope_type") ? "rope_type" : "type";
  const std::string kind = scaling->text(key, "default");
  if (kind == "yarn") return read_yarn(in, *scaling, out);
  if (kind == "linear") {
    if (!scaling->has("factor")) scaling->fail("factor", "must be given");
    rope.linear_factor = scaling->positive("factor", 1);
  } else if (kind != "default") {
    scaling->fail(key, "is supported as default, linear or yarn only");
  }
  for (const char* layer_kind : {"full_attention", "sliding_attention"}) {
    if (scaling->has(layer_kind)) scaling->fail(layer_kind, "is not supported: all layers must rotate alike");
  }
  return 1;
}

void refuse_sliding_window(const ConfigReader& in, const ModelConfig& config) {
  if (in.size("sliding_window", config.max_positions) < config.max_positions) {
    in.fail("sliding_window",
            fmt::format("is not supported below max_position_embeddings, which is {}", config.max_positions));
  }
}

void moe_from(int first, ModelConfig& out) {
  for (int layer = first; layer < out.layers; ++layer) out.moe_layers.push_back(layer);
}

void moe_by_sparse_step(const ConfigReader& in, ModelConfig& out) {
  const int step = in.size("decoder_sparse_step", 1);
  const std::vector<int> dense = in.integers("mlp_only_layers");
  for (const int layer : dense) {
    if (layer >= out.layers)
      in.fail("mlp_only_layers", fmt::format("names layer {} of {}", layer, out.layers));
  }
  for (int layer = 0; layer < out.layers; ++layer) {
    const bool listed = std::find(dense.begin(), dense.end(), layer) != dense.end();
    if ((layer + 1) % step == 0 && !listed) out.moe_layers.push_back(layer);
  }
  out.dense_width = in.size("intermediate_size");
}

}  // namespace committee::model
