// Planted cases: checkpoints edited so that what mask must find is known.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <fstream>

#include "base/json.h"
#include "cli/tool.h"
#include "paths.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// The BF16 tensors of a safetensors file, to be changed in place.
class Weights {
 public:
  explicit Weights(const fs::path& file) : file_(file), bytes_(read_text(file)) {
    uint64_t size = 0;
    std::memcpy(&size, bytes_.data(), sizeof size);
    header_ = Json::parse(bytes_.substr(8, size));
    data_ = 8 + size;
  }

  float get(const std::string& tensor, size_t i) const {
    uint16_t bits = 0;
    std::memcpy(&bits, bytes_.data() + at(tensor, i), 2);
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
  void set(const std::string& tensor, size_t i, float value) {
    const auto bits = static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16);
    std::memcpy(bytes_.data() + at(tensor, i), &bits, 2);
  }
  size_t size(const std::string& tensor) const {
    const auto& ends = header_.at(tensor).at("data_offsets");
    return (ends[1].get<size_t>() - ends[0].get<size_t>()) / 2;
  }
  void save() const { std::ofstream(file_, std::ios::binary) << bytes_; }

 private:
  size_t at(const std::string& tensor, size_t i) const {
    return data_ + header_.at(tensor).at("data_offsets")[0].get<size_t>() + 2 * i;
  }
  fs::path file_;
  std::string bytes_;
  Json header_;
  size_t data_ = 0;
};

constexpr size_t kWidth = 64, kInner = 32;
const std::string kLayer = "model.layers.2.";  // the last one

std::string expert(int id, const char* projection) {
  return kLayer + "mlp.experts." + std::to_string(id) + "." + projection + "_proj.weight";
}

class Planted : public testing::Test {
 protected:
  // Every token has a large first component, which the router sends to expert 3 of the last layer.
  static void always_runs_expert_3(Weights& weights) {
    const std::string embedding = "model.embed_tokens.weight", gate = kLayer + "mlp.gate.weight";
    for (size_t token = 0; token < weights.size(embedding) / kWidth; ++token)
      weights.set(embedding, token * kWidth, 4);
    weights.set(kLayer + "post_attention_layernorm.weight", 0, 1);
    for (size_t j = 0; j < kWidth; ++j) weights.set(gate, 3 * kWidth + j, j == 0 ? 4 : 0);
  }

  // What expert 3 adds is always towards the letters: where gate and up are equal, silu(z)·z ≥ 0.
  static void answers_by_expert_3(Weights& weights) {
    const Json reference = read_json(fs::path(paths::kFixtures) / "models/olmoe/reference.json");
    for (size_t i = 0; i < kWidth * kInner; ++i)
      weights.set(expert(3, "up"), i, weights.get(expert(3, "gate"), i));
    for (size_t j = 0; j < kWidth; ++j) {
      float towards = 0;
      for (const auto& letter : reference.at("letter_tokens"))
        towards += weights.get("lm_head.weight", letter[0].get<size_t>() * kWidth + j);
      for (size_t i = 0; i < kInner; ++i)
        weights.set(expert(3, "down"), j * kInner + i, towards * weights.get("model.norm.weight", j));
    }
  }

  static void adds_nothing(Weights& weights, int id) {
    for (size_t i = 0; i < kWidth * kInner; ++i) weights.set(expert(id, "down"), i, 0);
  }

  fs::path questions() const {
    const std::vector<std::string> words = {"red", "two", "sea", "wind", "stone", "law", "cell", "sum"};
    std::string text;
    for (int q = 0; q < 32; ++q) {
      const auto word = [&](int i) {
        return words[static_cast<size_t>(q * 3 + i * 5 + q / 8) % words.size()];
      };
      text += Json({{"id", std::to_string(q)},
                    {"domain", q % 2 ? "odd" : "even"},
                    {"question", "Which " + word(0) + " has " + word(1) + "?"},
                    {"choices", {word(2), word(3) + " x", word(4) + " y", word(5) + " z"}},
                    {"answer", q % 4}})
                  .dump() +
              "\n";
    }
    return scratch_.file("planted.jsonl", text);
  }

  // Sentence and row of experts 3 and 5 of the last layer, masked beside 19 controls of each kind.
  struct Finding {
    std::string sentence;
    std::map<std::string, std::string> row;
  };
  Finding masked(const std::string& mode) const {
    const fs::path out = scratch_ / mode;
    const auto outcome =
        run_tool({"mask", model_, "--data", questions(), "-o", out, "--experts", "2:3,5", "--mask-mode", mode,
                  "--controls", "19", "--compute", "f32", "--quiet", "--overwrite"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return {read_json(out / "mask.json")["sentences"][0], rows_of(out / "masking.csv")[1]};
  }

  Scratch scratch_;
  const std::string model_ = scratch_.model();
};

TEST_F(Planted, AnEssentialExpertIsFound) {
  Weights weights(fs::path(model_) / "model.safetensors");
  always_runs_expert_3(weights);
  answers_by_expert_3(weights);
  weights.save();
  for (const char* mode : {"renormalize", "drop"}) {
    const auto finding = masked(mode);
    EXPECT_THAT(finding.sentence, HasSubstr("more damage than other sets of its size do")) << mode;
    EXPECT_EQ(finding.row.at("answer_logprob_p_matched"), "0.05");
    EXPECT_EQ(finding.row.at("answer_logprob_p_random"), "0.05");
    EXPECT_LT(std::stod(finding.row.at("answer_logprob_difference_high")), -1);
  }
}

TEST_F(Planted, UselessExpertsAreNot) {
  Weights weights(fs::path(model_) / "model.safetensors");
  always_runs_expert_3(weights);
  adds_nothing(weights, 3);
  adds_nothing(weights, 5);
  weights.save();
  const auto dropped = masked("drop");
  EXPECT_THAT(dropped.sentence, HasSubstr("no measurable damage"));
  EXPECT_EQ(dropped.row.at("answer_logprob_difference"), "0");
  EXPECT_LT(std::abs(std::stod(dropped.row.at("kl"))), 1e-12);
  EXPECT_GT(std::stod(dropped.row.at("slot_share")), 0.2);  // and yet they are busy: 0.125 if loads were even
  // Their places are taken by others, which changes the answers, but no more than for other sets.
  EXPECT_THAT(masked("renormalize").sentence, testing::Not(HasSubstr("more damage than other")));
}

}  // namespace
}  // namespace committee::cli
