#include "engine/engine.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "collect.h"
#include "random_checkpoint.h"
#include "reference.h"

namespace committee::engine {
namespace {

// Prompts of many lengths, some with shared prefixes, one the prefix of another, one twice.
std::vector<Sequence> prompts(int vocab, uint64_t seed) {
  Random random(seed);
  std::vector<int32_t> stem(21);
  for (int32_t& token : stem) token = static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab)));
  std::vector<Sequence> sequences;
  for (const int length : {1, 30, 21, 25, 2, 30, 40, 9}) {
    Sequence sequence;
    sequence.sample = static_cast<int32_t>(10 + 2 * sequences.size());
    sequence.tokens.assign(stem.begin(), stem.begin() + (length >= 21 ? (length == 40 ? 11 : 21) : 0));
    while (sequence.tokens.size() < static_cast<size_t>(length))
      sequence.tokens.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab))));
    if (sequences.size() == 5) sequence.tokens = sequences[1].tokens;
    for (int p = 0; p < length; ++p) sequence.recorded.push_back(p);
    sequence.wants_logits = sequences.size() != 3;
    sequences.push_back(std::move(sequence));
  }
  return sequences;
}

int64_t token_count(const std::vector<Sequence>& sequences) {
  int64_t count = 0;
  for (const Sequence& sequence : sequences) count += static_cast<int64_t>(sequence.tokens.size());
  return count;
}

struct Result {
  Collect routing;
  std::map<size_t, std::vector<float>> logits;
  Work work;
};

std::vector<Result> run(const model::Model& model, const std::vector<Sequence>& sequences,
                        const std::vector<RoutingPolicy>& policies, const EngineOptions& options) {
  const model::ModelConfig& config = model.config();
  std::vector<Result> results;
  std::vector<Variant> variants;
  for (const RoutingPolicy& policy : policies)
    results.push_back({Collect(static_cast<int>(config.moe_layers.size()), config.router.experts,
                               policy.top_k.value_or(config.router.top_k)),
                       {},
                       {}});
  for (size_t v = 0; v < policies.size(); ++v) {
    variants.push_back(
        {policies[v], &results[v].routing, [&results, v](size_t s, std::span<const float> logits) {
           results[v].logits[s].assign(logits.begin(), logits.end());
         }});
  }
  Engine engine(model, options);
  const Work work = engine.prefill(sequences, variants, {});
  for (Result& result : results) result.work = work;
  return results;
}

Result run(const model::Model& model, const std::vector<Sequence>& sequences,
           const EngineOptions& options = {}) {
  return std::move(run(model, sequences, {{}}, options)[0]);
}

void expect_equal(const Result& a, const Result& b, float tolerance) {
  ASSERT_EQ(a.routing.sample, b.routing.sample);
  ASSERT_EQ(a.routing.position, b.routing.position);
  ASSERT_EQ(a.routing.token, b.routing.token);
  ASSERT_EQ(a.routing.ids, b.routing.ids);
  const auto close = [&](const std::vector<float>& x, const std::vector<float>& y) {
    ASSERT_EQ(x.size(), y.size());
    for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], y[i], tolerance);
  };
  close(a.routing.probs, b.routing.probs);
  close(a.routing.weights, b.routing.weights);
  ASSERT_EQ(a.logits.size(), b.logits.size());
  for (const auto& [s, logits] : a.logits) {
    for (size_t i = 0; i < logits.size(); ++i) ASSERT_NEAR(logits[i], b.logits.at(s)[i], 10 * tolerance);
  }
}

// Rows and logits against the slow forward pass.
void expect_reference(const model::Model& model, const std::vector<Sequence>& sequences,
                      const RoutingPolicy& policy, const Result& got, double tolerance) {
  Reference reference(model, policy);
  const size_t experts = static_cast<size_t>(model.config().router.experts),
               layers = model.config().moe_layers.size();
  const size_t k = static_cast<size_t>(policy.top_k.value_or(model.config().router.top_k));
  size_t row = 0;
  for (size_t s = 0; s < sequences.size(); ++s) {
    reference.run(sequences[s].tokens);
    for (const int32_t p : sequences[s].recorded) {
      ASSERT_EQ(got.routing.sample[row], sequences[s].sample);
      ASSERT_EQ(got.routing.position[row], p);
      ASSERT_EQ(got.routing.token[row], sequences[s].tokens[static_cast<size_t>(p)]);
      for (size_t l = 0; l < layers; ++l) {
        const Reference::Routed& expected = reference.routing[l][static_cast<size_t>(p)];
        const size_t cell = row * layers + l;
        for (size_t e = 0; e < experts; ++e)
          ASSERT_NEAR(got.routing.probs[cell * experts + e], expected.probs[e], tolerance);
        std::map<int, double> weights;
        for (size_t j = 0; j < k; ++j) weights[expected.ids[j]] = expected.weights[j];
        for (size_t j = 0; j < k; ++j) {
          ASSERT_EQ(weights.count(got.routing.ids[cell * k + j]), 1u)
              << "sequence " << s << ", position " << p;
          ASSERT_NEAR(got.routing.weights[cell * k + j], weights[got.routing.ids[cell * k + j]],
                      2 * tolerance);
        }
      }
      ++row;
    }
    ASSERT_EQ(got.logits.count(s), sequences[s].wants_logits ? 1u : 0u);
    if (!sequences[s].wants_logits) continue;
    for (size_t i = 0; i < reference.logits.size(); ++i)
      ASSERT_NEAR(got.logits.at(s)[i], reference.logits[i], 10 * tolerance);
  }
  ASSERT_EQ(row, static_cast<size_t>(got.routing.rows()));
}

struct Model {
  const char* name;
  Json config;
  const char* dtype;
};

void PrintTo(const Model& model, std::ostream* out) { *out << model.name; }

class EngineTest : public testing::TestWithParam<Model> {
 protected:
  EngineTest()
      : checkpoint_(GetParam().config, GetParam().dtype, 1),
        model_(model::Model::open(checkpoint_.folder())) {}
  RandomCheckpoint checkpoint_;
  model::Model model_;
};

TEST_P(EngineTest, EqualsTheReference) {
  const auto sequences = prompts(model_.config().vocab, 1);
  const Result got = run(model_, sequences);
  expect_reference(model_, sequences, {}, got, 2e-5);
  EXPECT_EQ(got.work.tokens, 158);
  EXPECT_EQ(got.work.chunks, 1);
}

TEST_P(EngineTest, ThreadsDoNotChangeABit) {
  const auto sequences = prompts(model_.config().vocab, 1);
  for (const Compute compute : {Compute::kF32, Compute::kBF16}) {
    if (!can_compute(compute)) continue;
    expect_equal(run(model_, sequences, {.compute = compute}),
                 run(model_, sequences, {.compute = compute, .threads = 3}), 0);
  }
}

TEST_P(EngineTest, BF16IsClose) {
  if (!can_compute(Compute::kBF16)) GTEST_SKIP() << "this processor cannot multiply bf16";
  const auto sequences = prompts(model_.config().vocab, 1);
  const Result exact = run(model_, sequences), rounded = run(model_, sequences, {.compute = Compute::kBF16});
  double sum = 0;
  for (size_t i = 0; i < exact.routing.probs.size(); ++i)
    sum += std::abs(exact.routing.probs[i] - rounded.routing.probs[i]);
  EXPECT_LT(sum / static_cast<double>(exact.routing.probs.size()), 0.01);
}

TEST_P(EngineTest, SharedPrefixesAreOneRowAndChangeNothing) {
  const auto sequences = prompts(model_.config().vocab, 1);
  const Result together = run(model_, sequences);
  std::set<std::vector<int32_t>> prefixes;
  for (const Sequence& sequence : sequences) {
    for (size_t n = 1; n <= sequence.tokens.size(); ++n)
      prefixes.insert({sequence.tokens.begin(), sequence.tokens.begin() + static_cast<int64_t>(n)});
  }
  EXPECT_EQ(together.work.rows, static_cast<int64_t>(prefixes.size()));
  Result apart{Collect(static_cast<int>(model_.config().moe_layers.size()), model_.config().router.experts,
                       model_.config().router.top_k),
               {},
               {}};
  Engine engine(model_, {});
  for (size_t s = 0; s < sequences.size(); ++s) {
    const Variant variant{{}, &apart.routing, [&](size_t, std::span<const float> logits) {
                            apart.logits[s].assign(logits.begin(), logits.end());
                          }};
    engine.prefill(std::span(sequences).subspan(s, 1), std::span(&variant, 1), {});
  }
  expect_equal(together, apart, 1e-5f);
  const Result unshared = run(model_, sequences, {.share_prefixes = false});
  EXPECT_EQ(unshared.work.rows, token_count(sequences));
  expect_equal(together, unshared, 1e-5f);
}

// What resuming, merging and sharing work out over processes rest on.
TEST_P(EngineTest, APromptsResultIsTheSameBitsInAnyBatch) {
  auto sequences = prompts(model_.config().vocab, 1);
  if (model_.config().max_positions >=
      600) {  // a prefix that ends inside a block of keys, and tails beyond it
    Random random(5);
    std::vector<int32_t> stem(290);
    for (int32_t& token : stem) token = static_cast<int32_t>(random.below(89));
    for (const size_t tail : {1u, 20u, 300u}) {
      Sequence sequence{40 + static_cast<int32_t>(tail), stem, {}, {0, 255, 256, 290}, true};
      while (sequence.tokens.size() < stem.size() + tail)
        sequence.tokens.push_back(static_cast<int32_t>(random.below(89)));
      sequences.push_back(std::move(sequence));
    }
  }
  for (const Compute compute : {Compute::kF32, Compute::kBF16}) {
    if (!can_compute(compute)) continue;
    const Result together = run(model_, sequences, {.compute = compute});
    size_t row = 0;
    for (size_t s = 0; s < sequences.size(); ++s) {
      const Result alone = run(model_, {sequences[s]}, {.compute = compute});
      const auto expect_part = [&](const auto& whole, const auto& part) {
        const size_t width = part.size() / sequences[s].recorded.size();
        ASSERT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + static_cast<int64_t>(row * width)))
            << "prompt " << s;
      };
      expect_part(together.routing.probs, alone.routing.probs);
      expect_part(together.routing.ids, alone.routing.ids);
      expect_part(together.routing.weights, alone.routing.weights);
      if (sequences[s].wants_logits) {
        ASSERT_EQ(together.logits.at(s), alone.logits.at(0)) << "prompt " << s;
      }
      row += sequences[s].recorded.size();
    }
  }
}

TEST_P(EngineTest, FewerRecordedRowsAreTheSameRows) {
  auto sequences = prompts(model_.config().vocab, 1);
  const Result all = run(model_, sequences);
  for (Sequence& sequence : sequences) {
    sequence.recorded = {static_cast<int32_t>(sequence.tokens.size()) - 1};
    sequence.wants_logits = false;
  }
  const Result last = run(model_, sequences);
  EXPECT_TRUE(last.logits.empty());
  const size_t width =
      static_cast<size_t>(model_.config().router.experts) * model_.config().moe_layers.size();
  size_t row = 0;
  for (size_t s = 0; s < sequences.size(); ++s) {
    row += sequences[s].tokens.size();
    for (size_t i = 0; i < width; ++i)
      ASSERT_NEAR(last.routing.probs[s * width + i], all.routing.probs[(row - 1) * width + i], 1e-5);
  }
}

TEST_P(EngineTest, VariantsInOnePassEqualVariantsAlone) {
  const model::ModelConfig& config = model_.config();
  if (config.router.experts < 5) GTEST_SKIP() << "too few experts to mask";
  const int first = config.moe_layers.front(), last = config.moe_layers.back();
  std::vector<RoutingPolicy> policies(8);
  policies[1].masked[last] = {0, 3};
  policies[1].mask_mode = MaskMode::kDrop;
  policies[2].top_k = 2;
  policies[3].masked = {{first, {1}}, {last, {2}}};
  policies[3].mask_mode = MaskMode::kDrop;
  policies[4] = policies[1];
  policies[5].always[first] = {1};
  policies[6].without_routed = {first};
  if (config.shared_experts > 0) policies[7].without_shared = {last};
  const auto sequences = prompts(config.vocab, 2);
  const std::vector<Result> together = run(model_, sequences, policies, {.threads = 2});
  for (size_t v = 0; v < policies.size(); ++v) {
    SCOPED_TRACE(v);
    const std::vector<Result> alone = run(model_, sequences, {policies[v]}, {});
    expect_equal(together[v], alone[0], 1e-5f);
    if (v != 5) expect_reference(model_, sequences, policies[v], together[v], 2e-5);
  }
  EXPECT_EQ(together[0].work.tokens, 8 * token_count(sequences));
  EXPECT_LT(together[0].work.rows, 6 * run(model_, sequences).work.rows);
}

TEST_P(EngineTest, GeneratesWhatPrefillWouldSay) {
  const auto sequences = prompts(model_.config().vocab, 3);
  const model::ModelConfig& config = model_.config();
  for (const RoutingPolicy& policy : {RoutingPolicy{}, RoutingPolicy{.top_k = 1}}) {
    const int layers = static_cast<int>(config.moe_layers.size()),
              k = policy.top_k.value_or(config.router.top_k);
    Collect sink(layers, config.router.experts, k);
    Engine engine(model_, {.threads = 2});
    const auto made = engine.generate(sequences, 5, {policy, &sink, {}}, {});
    ASSERT_EQ(made.size(), sequences.size());
    std::vector<Sequence> longer = sequences;
    for (size_t s = 0; s < made.size(); ++s) {
      longer[s].recorded.clear();
      for (size_t i = 0; i < made[s].size(); ++i)
        longer[s].recorded.push_back(static_cast<int32_t>(longer[s].tokens.size() + i));
      longer[s].tokens.insert(longer[s].tokens.end(), made[s].begin(), made[s].end());
      longer[s].wants_logits = false;
      // Each made token is the likeliest after what precedes it.
      Reference reference(model_, policy);
      std::vector<int32_t> so_far = sequences[s].tokens;
      for (size_t i = 0; i < made[s].size(); ++i) {
        reference.run(so_far);
        EXPECT_EQ(made[s][i], std::max_element(reference.logits.begin(), reference.logits.end()) -
                                  reference.logits.begin());
        so_far.push_back(made[s][i]);
        const auto& ends = config.end_tokens;
        const bool ended = std::find(ends.begin(), ends.end(), made[s][i]) != ends.end();
        EXPECT_EQ(ended || i == 4, i + 1 == made[s].size());
      }
    }
    const std::vector<Result> read = run(model_, longer, {policy}, {});
    expect_equal({sink, {}, {}}, {read[0].routing, {}, {}}, 2e-5f);
  }
}

std::string refusal(const std::function<void()>& action, int32_t sample) {
  try {
    action();
  } catch (const SampleError& error) {
    EXPECT_EQ(error.sample, sample);
    return error.what();
  } catch (const Error& error) {
    EXPECT_EQ(sample, -1);
    return error.what();
  }
  return "";
}

class RefusalTest : public testing::Test {
 protected:
  // The sentence about a checkpoint with one NaN in `tensor`, and the sample it names.
  static std::string broken(const std::string& tensor, int32_t sample, bool scores) {
    const RandomCheckpoint checkpoint(odd_deepseek(), "BF16", 5);
    checkpoint.poison(tensor);
    const auto model = model::Model::open(checkpoint.folder());
    auto sequences = prompts(model.config().vocab, 1);
    for (Sequence& sequence : sequences) sequence.wants_logits = scores;
    return refusal([&] { run(model, sequences); }, sample).substr(checkpoint.folder().string().size());
  }
};

TEST_F(RefusalTest, PromptsThatTheModelCannotRead) {
  const RandomCheckpoint checkpoint(single_olmoe(), "F32", 1);
  const auto model = model::Model::open(checkpoint.folder());
  const auto refuse = [&](std::vector<int32_t> tokens, std::vector<int32_t> recorded = {}) {
    Sequence sequence{7, std::move(tokens), {}, std::move(recorded), false};
    return refusal([&] { run(model, {sequence}); }, 7);
  };
  EXPECT_EQ(refuse({}), "the prompt is empty");
  EXPECT_EQ(refuse({3, 50}), "token id 50 at position 1 is not in the model's vocabulary of 50");
  EXPECT_EQ(refuse({-1}), "token id -1 at position 0 is not in the model's vocabulary of 50");
  EXPECT_EQ(refuse(std::vector<int32_t>(65, 1)), "65 tokens are more than the model's 64 positions");
  EXPECT_EQ(refuse({1, 2}, {1, 1}), "the positions to record must ascend within the prompt");
  EXPECT_EQ(refuse({1, 2}, {2}), "the positions to record must ascend within the prompt");
  EXPECT_EQ(refuse(std::vector<int32_t>(64, 1)), "");
}

TEST_F(RefusalTest, WeightsWithNaNAreNamedWhereTheyAreMet) {
  EXPECT_EQ(broken("model.layers.1.mlp.gate.weight", 10, false),
            ": layer 1: the router's output of the token at position 0 is NaN or Inf, as tensor "
            "model.layers.1.mlp.gate.weight holds NaN or Inf");
  EXPECT_EQ(broken("model.layers.0.self_attn.kv_b_proj.weight", 10, false),
            ": layer 0: the hidden state of the token at position 0 is NaN or Inf, as tensor "
            "model.layers.0.self_attn.kv_b_proj.weight holds NaN or Inf");
  EXPECT_EQ(broken("model.layers.0.mlp.down_proj.weight", 10, false),
            ": layer 1: the hidden state of the token at position 0 is NaN or Inf, as tensor "
            "model.layers.0.mlp.down_proj.weight holds NaN or Inf");
  EXPECT_EQ(broken("model.layers.1.mlp.experts.0.down_proj.weight", 12, false).substr(0, 10), ": layer 2:");
  EXPECT_EQ(broken("lm_head.weight", 10, true),
            ": after the last layer: the next-token distribution of the token at position 0 is NaN or Inf, "
            "as tensor "
            "lm_head.weight holds NaN or Inf");
  EXPECT_EQ(broken("model.layers.2.input_layernorm.weight", -1, true),
            ": tensor model.layers.2.input_layernorm.weight holds NaN or Inf");
}

// What a checkpoint's own type cannot hold was lost before: it holds Inf. What it can hold may be too large
// for products of it.
TEST_F(RefusalTest, FiniteWeightsWhoseProductsOverflowStopThePassWithLayerAndPrompt) {
  const auto refused = [](const std::string& dtype, const std::string& tensor, float value, Compute compute) {
    const RandomCheckpoint checkpoint(odd_deepseek(), dtype, 5);
    checkpoint.poison("model." + tensor + ".weight", value);
    const auto model = model::Model::open(checkpoint.folder());
    const auto sequences = prompts(model.config().vocab, 1);
    std::string sentence;
    try {
      run(model, sequences, {.compute = compute});
    } catch (const SampleError& error) {
      EXPECT_EQ(error.sample, 10);
      sentence = error.what();
      sentence.erase(0, checkpoint.folder().string().size());
    }
    return sentence;
  };
  const float inf = std::numeric_limits<float>::infinity();
  for (const Compute compute : {Compute::kF32, Compute::kBF16}) {
    if (!can_compute(compute)) continue;
    EXPECT_EQ(refused("BF16", "layers.1.post_attention_layernorm", 3e38f, compute),
              ": layer 1: the router's output of the token at position 0 is NaN or Inf");
    EXPECT_EQ(refused("BF16", "layers.0.post_attention_layernorm", 3e38f, compute),
              ": layer 1: the hidden state of the token at position 0 is NaN or Inf");
    // Half precision is widened as it is read, so that products of its largest number fit.
    EXPECT_EQ(refused("F16", "layers.1.post_attention_layernorm", 65504, compute), "");
    EXPECT_EQ(refused("F16", "layers.1.mlp.gate", inf, compute),
              ": layer 1: the router's output of the token at position 0 is NaN or Inf, as tensor "
              "model.layers.1.mlp.gate.weight holds NaN or Inf");
  }
}

TEST_F(RefusalTest, MemoryIsDividedIntoChunksOrRefused) {
  const RandomCheckpoint checkpoint(odd_qwen3(), "BF16", 1);
  const auto model = model::Model::open(checkpoint.folder());
  std::vector<Sequence> sequences;
  Random random(2);
  for (int s = 0; s < 8; ++s) {
    sequences.push_back({s, std::vector<int32_t>(2000), {}, {0, 1999}, true});
    for (int32_t& token : sequences.back().tokens) token = static_cast<int32_t>(random.below(101));
  }
  const Result whole = run(model, sequences);
  const std::string sentence = refusal([&] { run(model, sequences, {.memory = 1 << 20}); }, -1);
  EXPECT_TRUE(sentence.starts_with("1 MB of memory are too little: a prompt of 2000 tokens needs "))
      << sentence;
  const size_t needed = std::stoul(sentence.substr(sentence.rfind("needs ") + 6));
  // What the process holds elsewhere is counted too, and may have grown a little since.
  const Result small = run(model, sequences, {.memory = (needed + 8) << 20});
  EXPECT_EQ(whole.work.chunks, 1);
  EXPECT_GT(small.work.chunks, 1);
  expect_equal(whole, small, 1e-5f);
}

INSTANTIATE_TEST_SUITE_P(Models, EngineTest,
                         testing::Values(Model{"Qwen3BF16", odd_qwen3(), "BF16"},
                                         Model{"Qwen3F16", odd_qwen3(), "F16"},
                                         Model{"DeepseekF32", odd_deepseek(), "F32"},
                                         Model{"Qwen2BF16", odd_qwen2(), "BF16"},
                                         Model{"SingleExpert", single_olmoe(), "F32"}),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace committee::engine
