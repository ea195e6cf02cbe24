// The exact layout of what serving systems read.

#include "report/export_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/atomic_file.h"
#include "base/csv.h"
#include "base/json.h"
#include "model/safetensors.h"
#include "report/sample_audit.h"
#include "trace/npy.h"

namespace committee::report {
namespace {

// Layers 1 and 3 of a model of five layers; the others are dense.
ExpertCounts counts() { return {{1, 3}, 3, 2, {4, 0.5, 7, 1, 2, 3}}; }

TEST(ExportFiles, EplbJson) {
  EXPECT_EQ(eplb_json(counts()),
            "{\n \"weight\":[\n  [4,0.5,7],\n  [1,2,3]\n ],\n \"layers\":[\n  1,\n  3\n ]\n}\n");
}

TEST(ExportFiles, EplbNpyIsWhatNumpyReads) {
  const std::string bytes = eplb_npy(counts());
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_EQ((bytes.size() - 6 * sizeof(double)) % 64, 0u);
  const auto array = trace::parse_npy(std::as_bytes(std::span(bytes)), "w.npy");
  EXPECT_EQ(array.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(array.dtype, model::DType::kF64);
  for (int64_t i = 0; i < 6; ++i) EXPECT_EQ(array.value(i), counts().counts[static_cast<size_t>(i)]);
}

TEST(ExportFiles, SglangCountsHaveARowForEveryLayer) {
  const Json json = parse_json(sglang_counts_json(counts(), 5), "s.json");
  EXPECT_EQ(json, Json::parse(R"({"logical_count": [[0,0,0],[4,1,7],[0,0,0],[1,2,3],[0,0,0]]})"));
}

// SGLang passes the members of a file with a map on as arguments: there must be no other.
TEST(ExportFiles, SglangMapStandsAlone) {
  const Json json = parse_json(sglang_map_json(counts(), 4, 4, 2), "m.json");
  EXPECT_EQ(json, Json::parse(R"({"physical_to_logical_map": [[0,1,2,0],[0,1,2,2],[0,1,2,0],[1,0,2,2]]})"));
}

TEST(ExportFiles, TensorRtStatistics) {
  EXPECT_EQ(tensorrt_meta_json(counts()), "{\"num_experts\": 3, \"num_experts_per_token\": 2}\n");
  const auto path = std::filesystem::path(testing::TempDir()) / "committee_rank0.safetensors";
  write_file(path, tensorrt_safetensors(counts()));
  const auto file = model::SafetensorsFile::open(path);
  ASSERT_EQ(file.tensors().size(), 2u);
  EXPECT_EQ(file.tensors()[0].name, "0_1");
  const auto& tensor = file.get("0_3", model::DType::kI64, 1);
  int64_t values[3];
  std::memcpy(values, tensor.data, sizeof values);
  EXPECT_THAT(values, testing::ElementsAre(1, 2, 3));
}

TEST(ExportFiles, AuthorsTableIsTheTopKByRank) {
  const auto audit = sample_audit();
  const std::string text = authors_csv(audit);
  CsvReader reader(text, "a.csv");
  EXPECT_THAT(reader.next()->cells,
              testing::ElementsAre("layer", "domain", "expert_idx", "expert_weight", "topk_rank"));
  for (const auto& layer : audit.layers) {
    for (size_t d = 0; d < audit.domains.size(); ++d) {
      for (int rank = 1; rank <= audit.k; ++rank) {
        const auto cells = reader.next()->cells;
        const size_t at = d * 16 + static_cast<size_t>(std::stoi(cells[2]));
        EXPECT_EQ(cells[0], std::to_string(layer.layer));
        EXPECT_EQ(cells[1], audit.domains[d].name);
        EXPECT_EQ(layer.ranks[at], rank);
        EXPECT_EQ(std::stod(cells[3]), *layer.contributions[at].value);
      }
    }
  }
  EXPECT_FALSE(reader.next());
}

TEST(ExportFiles, PinningPlan) {
  auto audit = sample_audit({2, 4, 1, 2, SampleBaselines::kNone});
  audit.layers[0].committee = {3};
  audit::PinResult plan;
  plan.options.experts = 3;
  plan.kept = {{1, 3}, {0}};
  plan.layer_rates = {0.5, 0.25};
  plan.rate = 0.375;
  plan.plans = {{"global", {0.3, audit::Interval{0.2, 0.4}}, {}, {}, {}}};
  plan.domains = {{"a", 0.3, {}}};
  const Json json = parse_json(pinning_json(plan, audit, {"export …", "trace", 10, 35}), "p.json");
  EXPECT_EQ(json["format"], "committee-audit pinning");
  EXPECT_EQ(json["experts"], 3);
  EXPECT_EQ(json["of"], 8);
  EXPECT_EQ(json["bytes"], 30);
  EXPECT_EQ(json["budget_bytes"], 35);
  EXPECT_EQ(json["layers"][0],
            Json::parse(R"({"layer": 1, "experts": [1, 3], "committee": [3], "hit_rate": 0.5})"));
  EXPECT_EQ(json["plans"][0]["held_out_samples"], Json::parse(R"({"value": 0.3, "low": 0.2, "high": 0.4})"));
  EXPECT_TRUE(json["plans"][0]["held_out_domains"]["value"].is_null());
  EXPECT_TRUE(json["domains"][0]["held_out_domain"].is_null());
  EXPECT_THAT(pinning_text(plan, audit, {"", "", 10, 35}, {}),
              testing::HasSubstr("3 of 8 experts kept, 30 bytes"));
}

}  // namespace
}  // namespace committee::report
