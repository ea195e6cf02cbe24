#include "golden.h"

#include <gtest/gtest.h>

#include <functional>

#include "paths.h"

namespace committee::engine {
namespace {

std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(paths::kFixtures) / "models" / name;
}

class GoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, EveryVariantEqualsTransformers) {
  const Golden golden(fixture(GetParam()));
  Engine engine(golden.checkpoint, {});
  const std::vector<Difference> differences = check_prefill(golden, engine);
  for (size_t v = 0; v < differences.size(); ++v) {
    EXPECT_TRUE(differences[v].within_tolerance())
        << golden.variants()[v] << ": probs " << differences[v].probs << ", weights "
        << differences[v].weights << ", logits " << differences[v].logits << ", unequal sets "
        << differences[v].unequal_sets;
    EXPECT_GT(differences[v].cells, 0);
  }
}

TEST_P(GoldenTest, GeneratedTokensEqualTransformers) {
  const Golden golden(fixture(GetParam()));
  Engine engine(golden.checkpoint, {});
  const Difference difference = check_generation(golden, engine);
  EXPECT_TRUE(difference.within_tolerance())
      << "probs " << difference.probs << ", unequal tokens " << difference.unequal_tokens;
  EXPECT_GT(difference.cells, 0);
}

TEST_P(GoldenTest, BF16ExecutesNearlyTheSameSets) {
  if (!can_compute(Compute::kBF16)) GTEST_SKIP() << "this processor cannot multiply bf16";
  const Golden golden(fixture(GetParam()));
  Engine engine(golden.checkpoint, {.compute = Compute::kBF16});
  const Difference base = check_prefill(golden, engine)[0];
  EXPECT_LT(base.unequal_sets, base.cells * 12 / 100);
  EXPECT_LT(base.logits, 1.0);
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenTest,
                         testing::Values("olmoe", "qwen3_moe-sharded", "deepseek_v2-groups-qlora"),
                         [](const auto& one) { return std::to_string(one.index); });

// A copy of a fixture with one thing in its config changed: the goldens must tell.
struct Mutation {
  const char* name;
  const char* fixture;
  std::function<void(Json&)> change;
};

class MutationTest : public testing::TestWithParam<Mutation> {};

TEST_P(MutationTest, IsOutOfTolerance) {
  const std::filesystem::path from = fixture(GetParam().fixture);
  const auto folder = std::filesystem::path(testing::TempDir()) / "committee_engine" / GetParam().name;
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  for (const auto& file : std::filesystem::directory_iterator(from)) {
    const std::string name = file.path().filename().string();
    if (name != "config.json") std::filesystem::create_symlink(file.path(), folder / name);
  }
  Json config = read_json(from / "config.json");
  GetParam().change(config);
  std::ofstream(folder / "config.json") << config.dump();

  const Golden golden(folder);
  Engine engine(golden.checkpoint, {});
  EXPECT_FALSE(check_prefill(golden, engine)[0].within_tolerance());
}

INSTANTIATE_TEST_SUITE_P(
    One, MutationTest,
    testing::Values(
        Mutation{"rope_base", "olmoe", [](Json& c) { c["rope_theta"] = 40000.0; }},
        Mutation{"normalised_weights", "olmoe", [](Json& c) { c["norm_topk_prob"] = true; }},
        Mutation{"norm_eps", "olmoe", [](Json& c) { c["rms_norm_eps"] = 1e-2; }},
        Mutation{"plain_weights", "qwen3_moe-sharded", [](Json& c) { c["norm_topk_prob"] = false; }},
        Mutation{
            "no_mscale", "deepseek_v2-groups-qlora",
            [](Json& c) { c["rope_parameters"]["mscale"] = c["rope_parameters"]["mscale_all_dim"] = 0; }},
        Mutation{"scaling", "deepseek_v2-groups-qlora", [](Json& c) { c["routed_scaling_factor"] = 1.0; }},
        Mutation{"groups", "deepseek_v2-groups-qlora", [](Json& c) { c["topk_group"] = 4; }}),
    [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace committee::engine
