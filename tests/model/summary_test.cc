#include "model/summary.h"

#include "configs.h"
#include "files.h"

namespace committee::model {
namespace {

// Published sizes: OLMoE 6.9B (1.3B active), Qwen3 30.5B (3.3B), DeepSeek-V2-Lite 15.7B.
TEST(Summary, CountsTheParametersOfRealModels) {
  const ParameterCount of_olmoe = count_parameters(parse(olmoe()));
  EXPECT_EQ(of_olmoe.total, 6919161856u);
  EXPECT_NEAR(static_cast<double>(of_olmoe.active), 1.28e9, 0.01e9);
  const ParameterCount of_qwen3 = count_parameters(parse(qwen3()));
  EXPECT_EQ(of_qwen3.total, 30532122624u);
  EXPECT_NEAR(static_cast<double>(of_qwen3.active), 3.35e9, 0.01e9);
  EXPECT_EQ(count_parameters(parse(deepseek_v2())).total, 15706484224u);
}

TEST(Summary, DescribesAConfigWithoutWeights) {
  const auto folder = test_folder();
  write(folder / "config.json", deepseek_v2().dump());
  const ModelSummary summary = summarise(folder, 1000);
  EXPECT_EQ(summary.attention,
            "latent: 16 heads, keys 128 + 64 rotated, values 128, latent 512; RoPE base 10000, interleaved, "
            "YaRN × 40 of "
            "4096 positions");
  EXPECT_EQ(summary.router, "softmax, top 6 of 64, weights as they are");
  EXPECT_EQ(summary.weight_bytes, 2 * summary.parameters.total);
  EXPECT_FALSE(summary.file_bytes);
  EXPECT_EQ(summary.pass_tokens, 1000);
  const ModelSummary longer = summarise(folder / "config.json", 2000);
  EXPECT_GT(longer.pass_bytes, summary.pass_bytes);
  // Two MoE layers, embedding and lm_head in BF16, and less than a gigabyte of activations.
  const ParameterCount& count = summary.parameters;
  const uint64_t weights =
      2 * (2 * (count.attention + count.router + count.shared + 64 * count.expert) + count.embedding);
  EXPECT_GT(summary.pass_bytes, weights);
  EXPECT_LT(summary.pass_bytes, weights + (1u << 30));
  write(folder / "model-00001-of-00002.safetensors", "12345");
  write(folder / "model-00002-of-00002.safetensors", "123");
  EXPECT_EQ(summarise(folder).file_bytes, 8u);
}

TEST(Summary, SaysWhatTheRouterDoes) {
  const auto folder = test_folder();
  write(folder / "config.json", listed_config("deepseek_v3").dump());
  EXPECT_EQ(
      summarise(folder).router,
      "sigmoid with correction bias, top 4 of 16 in the 2 best of 4 groups (by sum of the two best), weights "
      "normalised, × 2.5");
  Json json = olmoe();
  json["clip_qkv"] = 8;
  write(folder / "config.json", json.dump());
  EXPECT_EQ(summarise(folder).attention,
            "16 heads × 128, q/k norm over all heads, q, k and v clipped at 8; RoPE base 10000");
}

}  // namespace
}  // namespace committee::model
