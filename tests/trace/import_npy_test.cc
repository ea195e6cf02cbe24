#include <gmock/gmock.h>

#include <limits>

#include "npy_testing.h"
#include "trace/import.h"
#include "trace_testing.h"

namespace committee::trace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// [2 samples, 2 layers, 3 experts]
const std::vector<float> kCells = {0.5f, 0.25f, 0.25f, 0.1f, 0.2f, 0.7f, 0.6f, 0.4f, 0.0f, 0.3f, 0.3f, 0.4f};

class ImportNpy : public testing::Test {
 protected:
  void SetUp() override {
    input_ = test_folder("mixtral");
    output_ = test_folder("trace");
    add("algebra", npy_bytes("<f4", "(2, 2, 3)", kCells));
  }

  void add(const std::string& domain, const std::string& bytes) {
    write_text(input_ / (domain + ".npy"), bytes);
  }

  ImportResult import(ImportOptions options = {.top_k = 2}) {
    return import_trace("npy", input_, output_, options);
  }

  std::string refused(ImportOptions options = {.top_k = 2}) {
    const auto sentence = error_of([&] { import(options); });
    EXPECT_FALSE(std::filesystem::exists(output_)) << sentence;
    return sentence;
  }

  std::filesystem::path input_, output_;
};

TEST_F(ImportNpy, SharesAreVectorsForRoutingOnly) {
  add("drama", npy_bytes("<f4", "(1, 2, 3)", std::vector<float>{1, 0, 0, 0, 0.5f, 0.5f}));
  write_text(input_ / "README.md", "not an array");
  const auto result = import();
  EXPECT_THAT(result.manifest.recording.allowed_eci, ElementsAre("routing"));
  EXPECT_THAT(result.warnings, ElementsAre());
  const auto trace = Trace::open(output_);
  const auto& manifest = trace.manifest();
  EXPECT_EQ(manifest.model.moe_layers, (std::vector<int>{0, 1}));
  EXPECT_EQ(manifest.model.experts, 3);
  EXPECT_EQ(manifest.model.top_k, 2);
  EXPECT_EQ(manifest.model.name, "mixtral");
  EXPECT_EQ(manifest.recording.positions, "sample");
  EXPECT_EQ(manifest.recording.executed, Executed::kNone);
  EXPECT_THAT(manifest.domains, ElementsAre("algebra", "drama"));
  ASSERT_EQ(trace.samples().size(), 3u);
  EXPECT_EQ(trace.samples()[1].id, "algebra/1");
  EXPECT_EQ(trace.samples()[2].id, "drama/0");
  EXPECT_EQ(trace.samples()[2].subject, "drama");
  EXPECT_EQ(trace.samples()[2].tokens, 0);
  Trace::Scratch scratch;
  const auto block = trace.read(0, 0, 3, scratch);
  EXPECT_TRUE(std::equal(kCells.begin(), kCells.end(), block.probs.begin()));
  EXPECT_TRUE(block.topk_id.empty());
  EXPECT_THAT(block.token, ElementsAre(-1, -1, -1));
  EXPECT_THAT(block.sample, ElementsAre(0, 1, 2));
}

TEST_F(ImportNpy, DistributionsGiveExecutedSetsToo) {
  const auto result = import({.top_k = 2, .rows = Rows::kDistribution});
  EXPECT_THAT(result.manifest.recording.allowed_eci,
              ElementsAre("routing", "executed", "frequency", "reference"));
  const auto trace = Trace::open(output_);
  EXPECT_EQ(trace.manifest().recording.positions, "last");
  Trace::Scratch scratch;
  const auto block = trace.read(0, 0, 2, scratch);
  EXPECT_THAT(block.topk_id, ElementsAre(0, 1, 2, 1, 0, 1, 2, 0));
  EXPECT_THAT(block.topk_weight, ElementsAre(0.5f, 0.25f, 0.7f, 0.2f, 0.6f, 0.4f, 0.4f, 0.3f));
}

TEST_F(ImportNpy, FortranOrderAndFloat64) {
  // The same cells, first index fastest.
  std::vector<double> cells;
  for (int expert = 0; expert < 3; ++expert) {
    for (int layer = 0; layer < 2; ++layer) {
      for (int sample = 0; sample < 2; ++sample) {
        cells.push_back(static_cast<double>(kCells[static_cast<size_t>((sample * 2 + layer) * 3 + expert)]));
      }
    }
  }
  add("algebra", npy_bytes("<f8", "(2, 2, 3)", cells, "True"));
  EXPECT_THAT(import().warnings, ElementsAre("float64 input is stored as float32"));
  Trace::Scratch scratch;
  const auto trace = Trace::open(output_);
  EXPECT_THAT(trace.read(0, 0, 2, scratch).probs, testing::ElementsAreArray(kCells));
}

TEST_F(ImportNpy, BadCellsAreNamed) {
  for (const float bad :
       {-0.25f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    auto cells = kCells;
    cells[10] = bad;
    add("drama", npy_bytes("<f4", "(2, 2, 3)", cells));
    EXPECT_THAT(refused(), HasSubstr("drama.npy: sample 1, layer 1, expert 1 is"));
  }
  add("drama", npy_bytes("<f8", "(1, 2, 3)", std::vector<double>{1, 0, 0, 1e300, 0, 0}));
  EXPECT_THAT(refused(), HasSubstr("drama.npy: sample 0, layer 1, expert 0 is"));
}

TEST_F(ImportNpy, ArraysThatDoNotFitAreRefused) {
  const std::vector<float> six(6);
  add("drama", npy_bytes("<f4", "(1, 3, 2)", six));
  EXPECT_THAT(refused(), HasSubstr("drama.npy: shape [1, 3, 2] has other layers or experts than"));
  add("drama", npy_bytes("<f4", "(2, 3)", six));
  EXPECT_THAT(refused(), HasSubstr("must be [samples, layers, experts]"));
  add("drama", npy_bytes<float>("<f4", "(0, 2, 3)", {}));
  EXPECT_THAT(refused(), HasSubstr("drama.npy: holds no samples"));
  add("drama", npy_bytes(">f4", "(1, 2, 3)", six));
  EXPECT_THAT(refused(), HasSubstr("big-endian"));
  add("drama", npy_bytes("<i4", "(1, 2, 3)", std::vector<int32_t>(6)));
  EXPECT_THAT(refused(), HasSubstr("must be float32 or float64"));
}

TEST_F(ImportNpy, OptionsAreChecked) {
  EXPECT_THAT(refused({}), HasSubstr("needs --k"));
  EXPECT_THAT(refused({.top_k = 4}), HasSubstr("--k must be in 1..3"));
  EXPECT_THAT(refused({.top_k = 0}), HasSubstr("--k must be in 1..3"));
  EXPECT_THAT(error_of([&] { import_trace("pickle", input_, output_, {}); }),
              HasSubstr("\"pickle\" is no kind"));
  std::filesystem::remove(input_ / "algebra.npy");
  EXPECT_THAT(refused(), HasSubstr("holds no .npy files"));
  EXPECT_THAT(error_of([&] { import_trace("npy", input_ / "absent", output_, {.top_k = 2}); }),
              HasSubstr("absent: cannot list the folder"));
}

TEST_F(ImportNpy, VectorsThatAreNoDistributionsAreSaid) {
  add("drama", npy_bytes("<f4", "(1, 2, 3)", std::vector<float>{0.5f, 0.5f, 0.5f, 1, 0, 0}));
  const auto warnings = import({.top_k = 2, .rows = Rows::kDistribution}).warnings;
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_THAT(warnings[0],
              HasSubstr("1 of 6 layer vectors do not sum to 1 within 0.001 (the worst sums to 1.5)"));
  EXPECT_THAT(warnings[1], HasSubstr("1 layer vectors have fewer than k experts above 0"));
}

TEST_F(ImportNpy, AnExistingTraceStaysWhereTheImportFails) {
  import();
  const auto before = files_of(output_);
  EXPECT_THAT(error_of([&] { import(); }), HasSubstr("not empty"));
  EXPECT_EQ(files_of(output_), before);
  import({.existing = Existing::kOverwrite, .top_k = 2});
  EXPECT_EQ(files_of(output_), before);
}

}  // namespace
}  // namespace committee::trace
