#include "engine/layer_stream.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "base/error.h"
#include "collect.h"
#include "engine/engine.h"
#include "random_checkpoint.h"

namespace committee::engine {
namespace {

// Layers in a file of their own: touching others reads no page of it.
class LayerStreamTest : public testing::Test {
 protected:
  LayerStreamTest() : checkpoint_(odd_qwen3(), "BF16", 3) {
    checkpoint_.split();
    file_ = checkpoint_.folder() / "layers.safetensors";
    for (int s = 0; s < 8; ++s) {
      sequences_.push_back({s, std::vector<int32_t>(2000), {}, {0, 1999}, true});
      for (int32_t& token : sequences_.back().tokens) token = static_cast<int32_t>(random_.below(101));
    }
  }

  // Of the page cache, where the file system can do without.
  bool forget(const model::Model& model) const {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      if (!line.ends_with(file_.filename().string())) continue;
      const uintptr_t begin = std::stoull(line, nullptr, 16),
                      end = std::stoull(line.substr(line.find('-') + 1), nullptr, 16);
      ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
    const int fd = ::open(file_.c_str(), O_RDONLY);
    ::fdatasync(fd);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
    return there(model) == 0;
  }

  static double there(const model::Model& model) {
    double sum = 0;
    for (int l = 0; l < model.config().layers; ++l) sum += model.in_memory(l);
    return sum;
  }

  struct Result {
    Collect routing;
    std::map<size_t, std::vector<float>> logits;
    int64_t chunks = 0;
  };

  Result prefill(Engine& engine, const model::Model& model) const {
    const model::ModelConfig& config = model.config();
    Result result{
        Collect(static_cast<int>(config.moe_layers.size()), config.router.experts, config.router.top_k),
        {},
        0};
    const Variant variant{{}, &result.routing, [&](size_t s, std::span<const float> logits) {
                            result.logits[s].assign(logits.begin(), logits.end());
                          }};
    result.chunks = engine.prefill(sequences_, std::span(&variant, 1), {}).chunks;
    return result;
  }

  // Too little for the model to stay in memory.
  size_t little(const model::Model& model, size_t more) const {
    Engine engine(model, {.memory = 1 << 20});
    try {
      prefill(engine, model);
    } catch (const Error& error) {
      const std::string sentence = error.what();
      return (std::stoul(sentence.substr(sentence.rfind("needs ") + 6)) + more) << 20;
    }
    return 0;
  }

  Random random_{2};
  RandomCheckpoint checkpoint_;
  std::filesystem::path file_;
  std::vector<Sequence> sequences_;
};

TEST_F(LayerStreamTest, GivesTheBytesOfTheMappedLayers) {
  const auto model = model::Model::open(checkpoint_.folder());
  std::vector<std::string> expected;
  const auto bytes_of = [](const model::LayerWeights& layer) {
    std::string bytes;
    for (const model::Tensor* tensor : model::tensors_of(layer))
      bytes.append(reinterpret_cast<const char*>(tensor->data), tensor->bytes);
    return bytes;
  };
  for (const model::LayerWeights& layer : model.weights().layers) expected.push_back(bytes_of(layer));
  for (const bool cached : {true, false}) {
    if (!cached && !forget(model)) GTEST_SKIP() << "the file system keeps its files in memory";
    LayerStream stream(model);
    stream.set(model.config().layers, false);
    for (int l : {0, 1, 2, 0, 1, 2, 1}) {
      const model::LayerWeights& weights = stream.prepare(l);
      EXPECT_EQ(bytes_of(weights), expected[static_cast<size_t>(l)]);
      EXPECT_EQ(&weights == &model.weights().layers[static_cast<size_t>(l)], cached);
      stream.release(l);
    }
  }
  EXPECT_EQ(there(model), 0) << "read past the page cache";
}

TEST_F(LayerStreamTest, ResultsAreTheSameBitsInAnyNumberOfChunks) {
  const auto model = model::Model::open(checkpoint_.folder());
  Engine whole(model, {});
  const Result expected = prefill(whole, model);
  for (const size_t more : {8, 32}) {  // several chunks, one; neither leaves a quarter of the memory free
    Engine engine(model, {.memory = little(model, more)});
    if (!forget(model)) GTEST_SKIP() << "the file system keeps its files in memory";
    const Result got = prefill(engine, model);
    EXPECT_EQ(there(model), 0) << "the mapped layers were used";
    EXPECT_EQ(more == 8, got.chunks > 1) << got.chunks;
    EXPECT_EQ(got.routing.ids, expected.routing.ids);
    EXPECT_EQ(got.routing.probs, expected.routing.probs);
    EXPECT_EQ(got.routing.weights, expected.routing.weights);
    EXPECT_EQ(got.logits, expected.logits);
  }
}

TEST_F(LayerStreamTest, GeneratesTheSameTokens) {
  const auto model = model::Model::open(checkpoint_.folder());
  Engine whole(model, {});
  const auto generate = [&](Engine& engine) { return engine.generate(sequences_, 4, {}, {}); };
  const auto expected = generate(whole);
  Engine engine(model, {.memory = little(model, 12)});
  if (!forget(model)) GTEST_SKIP() << "the file system keeps its files in memory";
  EXPECT_EQ(generate(engine), expected);
  EXPECT_EQ(there(model), 0) << "the mapped layers were used";
}

TEST_F(LayerStreamTest, AFileThatWasCutMeanwhileIsNamed) {
  const auto model = model::Model::open(checkpoint_.folder());
  LayerStream stream(model);
  stream.set(model.config().layers, false);
  if (!forget(model)) GTEST_SKIP() << "the file system keeps its files in memory";
  std::filesystem::resize_file(file_, std::filesystem::file_size(file_) - 1);
  EXPECT_NO_THROW(stream.prepare(1));
  try {
    stream.prepare(2);  // was read in the background
    FAIL() << "a layer without its end";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith(file_.string() + ": ends before byte "));
  }
}

}  // namespace
}  // namespace committee::engine
