#include <algorithm>

#include "files.h"
#include "model/weights.h"
#include "paths.h"

namespace committee::model {
namespace {

using testing::HasSubstr;

const std::filesystem::path kModels = std::filesystem::path(paths::kFixtures) / "models";

TEST(Model, OpensAnOlmoeCheckpoint) {
  const Model model = Model::open(kModels / "olmoe");
  const ModelConfig& config = model.config();
  EXPECT_EQ(config.model_type, "olmoe");
  EXPECT_EQ(config.layers, 3);
  EXPECT_EQ(config.d_model, 64);
  EXPECT_EQ(config.vocab, 768);
  EXPECT_EQ(config.router.experts, 16);
  EXPECT_EQ(config.router.top_k, 4);
  EXPECT_EQ(config.attention.qk_norm, QkNorm::kWholeProjection);
  EXPECT_EQ(config.moe_layers, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(config.end_tokens, (std::vector<int32_t>{0}));

  const ModelWeights& weights = model.weights();
  ASSERT_EQ(weights.layers.size(), 3u);
  EXPECT_EQ(weights.lm_head.name, "lm_head.weight");
  const MoeWeights& moe = weights.layers[2].moe;
  ASSERT_EQ(moe.experts.size(), 16u);
  EXPECT_EQ(moe.experts[5].down.name, "model.layers.2.mlp.experts.5.down_proj.weight");
  EXPECT_EQ(moe.experts[5].down.shape, (std::vector<int64_t>{64, 32}));
  EXPECT_EQ(moe.experts[5].down.dtype, DType::kBF16);
  EXPECT_FALSE(moe.shared.gate);
  EXPECT_FALSE(weights.layers[0].attention.q.bias);
  EXPECT_FALSE(weights.layers[0].dense.gate);
  // Attention 4·64·64, norms 4·64, router 16·64, experts 16·3·64·32, in BF16.
  EXPECT_EQ(model.layer_bytes(1), 2u * (4 * 64 * 64 + 4 * 64 + 16 * 64 + 16 * 3 * 64 * 32));
}

TEST(Model, RefusesWhatIsNoFolder) {
  EXPECT_THAT(error_of([] { Model::open("/nowhere/at-all"); }),
              HasSubstr("/nowhere/at-all: not a checkpoint folder"));
}

TEST(Model, ReadsAheadAndDropsLayersWithoutChangingThem) {
  const Model model = Model::open(write_checkpoint(test_folder(), listed_config("olmoe"), filled("olmoe")));
  const Tensor& tensor = model.weights().layers[1].moe.experts[7].down;
  const std::string before = bytes_of(tensor);
  model.read_ahead(1);
  model.drop(1);
  EXPECT_EQ(bytes_of(tensor), before);
}

TEST(Model, FingerprintIsOfTheModelNotOfItsFiles) {
  const auto root = test_folder();
  const Json config = listed_config("olmoe");
  auto tensors = filled("olmoe");
  const std::string expected = Model::open(write_checkpoint(root / "a", config, tensors)).fingerprint();
  EXPECT_THAT(expected, testing::MatchesRegex("[0-9a-f]{16}"));

  // Elsewhere, in shards, in another order: the same model.
  std::reverse(tensors.begin(), tensors.end());
  const std::vector<Made> first(tensors.begin(), tensors.begin() + 60),
      second(tensors.begin() + 60, tensors.end());
  Json map;
  for (const Made& tensor : first) map[tensor.name] = "one.safetensors";
  for (const Made& tensor : second) map[tensor.name] = "two.safetensors";
  write(root / "b" / "config.json", config.dump());
  write(root / "b" / "one.safetensors", safetensors(first));
  write(root / "b" / "two.safetensors", safetensors(second));
  write(root / "b" / "model.safetensors.index.json", Json{{"weight_map", map}}.dump());
  EXPECT_EQ(Model::open(root / "b").fingerprint(), expected);

  // Other values in one tensor, or another config: another model.
  auto changed = tensors;
  for (char& byte : named(changed, "model.layers.1.mlp.experts.3.up_proj.weight").data)
    byte = static_cast<char>(byte + 1);
  EXPECT_NE(Model::open(write_checkpoint(root / "c", config, changed)).fingerprint(), expected);
  Json other = config;
  other["norm_topk_prob"] = true;
  EXPECT_NE(Model::open(write_checkpoint(root / "d", other, tensors)).fingerprint(), expected);
}

}  // namespace
}  // namespace committee::model
