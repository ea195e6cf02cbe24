#include "model/config.h"

#include <algorithm>
#include <limits>

#include "model/config_reader.h"
#include "model/families/family.h"

namespace committee::model {

namespace fs = std::filesystem;

bool ModelConfig::is_moe(int layer) const {
  return std::binary_search(moe_layers.begin(), moe_layers.end(), layer);
}

namespace {

// No model is anywhere near these; within them all arithmetic on sizes stays in range, and a hostile config
// cannot ask for absurd amounts of memory.
void check_limits(const ModelConfig& config, const std::string& file) {
  const Attention& attention = config.attention;
  struct Limit {
    const char* what;
    int64_t value, most;
  };
  const Limit limits[] = {
      {"layers", config.layers, 4096},
      {"the hidden size", config.d_model, 1 << 20},
      {"experts", config.router.experts, std::numeric_limits<uint16_t>::max()},
      {"the width of a feed-forward",
       std::max({config.dense_width, config.expert_width, config.shared_width}), kMaxWidth},
      {"heads times their dimensions", int64_t{attention.heads} * std::max(attention.qk_dim, attention.v_dim),
       kMaxWidth},
  };
  for (const Limit& limit : limits) {
    if (limit.value > limit.most) {
      throw Error("{}: {}: {} are more than the {} that are supported", file, limit.what, limit.value,
                  limit.most);
    }
  }
  const double parameters =
      3.0 * config.layers * config.router.experts * config.d_model * std::max(config.expert_width, 1);
  if (parameters > 1e14)
    throw Error("{}: {:.3g} parameters in experts are more than any model has", file, parameters);
}

void check_router(const ModelConfig& config, const std::string& file) {
  const Router& router = config.router;
  if (config.moe_layers.empty())
    throw Error("{}: no layer has routed experts, so there is nothing to audit", file);
  if (router.top_k > router.experts) {
    throw Error("{}: {} experts a token are more than the {} there are", file, router.top_k, router.experts);
  }
  if (router.scaling <= 0)
    throw Error("{}: \"routed_scaling_factor\" must be above 0, found {}", file, router.scaling);
  if (router.groups == 1) return;
  if (router.experts % router.groups != 0) {
    throw Error("{}: {} experts do not divide into {} groups", file, router.experts, router.groups);
  }
  const int group = router.experts / router.groups;
  if (router.top_groups > router.groups) {
    throw Error("{}: \"topk_group\" is {}, but there are {} groups", file, router.top_groups, router.groups);
  }
  if (router.top_k > router.top_groups * group) {
    throw Error("{}: {} experts a token are more than the {} in {} groups", file, router.top_k,
                router.top_groups * group, router.top_groups);
  }
  if (router.group_score == GroupScore::kSumOfTwoBest && group < 2) {
    throw Error("{}: a group needs two experts to be scored by its two best", file);
  }
}

}  // namespace

ModelConfig parse_config(const Json& json, const std::string& file) {
  const ConfigReader in(json, file);
  const Family& family = find_family(required_field<std::string>(json, "model_type", file), file);
  ModelConfig config;
  config.model_type = family.model_type;
  if (json.contains("layer_types") && json["layer_types"].is_array()) {
    for (const Json& kind : json["layer_types"]) {
      if (kind != "full_attention")
        in.fail("layer_types", "is supported with \"full_attention\" in all layers only");
    }
  }
  family.describe(in, config);
  check_limits(config, file);
  check_router(config, file);
  return config;
}

ModelConfig read_config(const fs::path& path) {
  std::error_code unreadable;
  const fs::path file = fs::is_directory(path, unreadable) ? path / "config.json" : path;
  ModelConfig config = parse_config(read_json(file), file.string());
  const fs::path generation = file.parent_path() / "generation_config.json";
  if (fs::exists(generation, unreadable)) {
    const Json json = read_json(generation);
    const auto tokens = ConfigReader(json, generation.string()).integers("eos_token_id");
    if (!tokens.empty()) config.end_tokens = tokens;
  }
  return config;
}

}  // namespace committee::model
