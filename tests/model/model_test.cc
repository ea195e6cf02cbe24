#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "model/weights.h"

namespace committee::model {
namespace {

const std::filesystem::path kModels = std::filesystem::path(COMMITTEE_FIXTURES) / "models";

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

}  // namespace
}  // namespace committee::model
