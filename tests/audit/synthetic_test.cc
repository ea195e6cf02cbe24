#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/audit.h"
#include "audit/expected.h"
#include "paths.h"
#include "trace/import.h"

// The golden of METHOD 2 to 6: six domains of 40 samples, 3 layers, 16 experts, k = 4, values from a slow
// computation that shares no code with this one.
namespace committee::audit {
namespace {

using testing::agrees;
using testing::joined;
using testing::read_table;
using testing::Row;

class Synthetic : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const std::filesystem::path folder = ::testing::TempDir() + "/committee_audit_synthetic";
    std::filesystem::remove_all(folder);
    trace::ImportOptions import;
    import.top_k = 4;
    trace::import_trace("npy", fixture() / "input", folder, import);
    const trace::Trace trace = trace::Trace::open(folder);
    result_ = new AuditResult(audit(trace, {.bootstrap = 0, .permutations = 0, .expert_shuffles = 0}));
  }
  static void TearDownTestSuite() { delete result_; }

  static std::filesystem::path fixture() {
    return std::filesystem::path(paths::kFixtures) / "audit" / "synthetic";
  }
  static std::vector<Row> expected(const char* file) { return read_table(fixture() / "expected" / file); }
  static const LayerResult& layer(const Row& row) { return result_->layers.at(std::stoul(row.at("layer"))); }
  static size_t domain(const std::string& name) {
    for (size_t t = 0; t < result_->domains.size(); ++t) {
      if (result_->domains[t].name == name) return t;
    }
    throw std::out_of_range(name);
  }

  static AuditResult* result_;
};
AuditResult* Synthetic::result_ = nullptr;

#define EXPECT_AGREES(figure, column)         \
  EXPECT_TRUE(agrees(figure, row.at(column))) \
      << column << " of layer " << row.at("layer") << ": " << row.at(column)

TEST_F(Synthetic, Committees) {
  const auto rows = expected("committees.csv");
  ASSERT_EQ(rows.size(), result_->layers.size());
  for (const Row& row : rows) {
    const LayerResult& found = layer(row);
    EXPECT_EQ(joined(found.committee), row.at("committee"));
    EXPECT_EQ(joined(found.core), row.at("core"));
    EXPECT_AGREES(found.size.value, "size");
    EXPECT_AGREES(found.core_size.value, "core_size");
    EXPECT_AGREES(found.avg_rank.value, "avg_rank");
    EXPECT_AGREES(found.rank_variance.value, "rank_variance");
    EXPECT_AGREES(found.coverage_full.value, "coverage_full");
    EXPECT_AGREES(found.coverage_topk.value, "coverage_topk");
    EXPECT_AGREES(found.ratio_full.value, "ratio_full");
    EXPECT_AGREES(found.ratio_topk.value, "ratio_topk");
  }
}

TEST_F(Synthetic, Experts) {
  const auto rows = expected("experts.csv");
  ASSERT_EQ(rows.size(), 48u);
  for (const Row& row : rows) {
    const ExpertFigures& found = layer(row).experts.at(std::stoul(row.at("expert")));
    EXPECT_AGREES(found.contribution.value, "contribution");
    EXPECT_AGREES(found.presence.value, "presence");
    EXPECT_AGREES(found.avg_rank.value, "avg_rank");
    EXPECT_AGREES(found.rank_variance.value, "rank_variance");
    EXPECT_EQ(found.candidate, row.at("candidate") == "1");
    EXPECT_EQ(found.in_committee, row.at("in_committee") == "1");
  }
}

TEST_F(Synthetic, Contributions) {
  const auto rows = expected("contributions.csv");
  ASSERT_EQ(rows.size(), 3u * 6 * 16);
  for (const Row& row : rows) {
    const size_t cell = domain(row.at("domain")) * 16 + std::stoul(row.at("expert"));
    EXPECT_AGREES(layer(row).contributions.at(cell).value, "contribution");
    EXPECT_EQ(layer(row).ranks.at(cell), std::stoi(row.at("rank")));
  }
}

TEST_F(Synthetic, Sharing) {
  for (const Row& row : expected("sharing.csv")) {
    EXPECT_AGREES(layer(row).jaccard_mean.value, "jaccard_mean");
    EXPECT_AGREES(layer(row).jaccard_min.value, "jaccard_min");
    EXPECT_AGREES(layer(row).jaccard_max.value, "jaccard_max");
    EXPECT_AGREES(layer(row).chance, "chance");
  }
  const auto rows = expected("jaccard_pairs.csv");
  ASSERT_EQ(rows.size(), 3u * 15);
  for (const Row& row : rows) {
    const auto& pairs = layer(row).pairs;
    const auto a = static_cast<int>(domain(row.at("domain_a"))),
               b = static_cast<int>(domain(row.at("domain_b")));
    const auto pair = std::find_if(pairs.begin(), pairs.end(), [&](const DomainPair& p) {
      return p.a == std::min(a, b) && p.b == std::max(a, b);
    });
    ASSERT_NE(pair, pairs.end());
    EXPECT_AGREES(pair->jaccard.value, "jaccard");
  }
}

TEST_F(Synthetic, Concentration) {
  for (const Row& row : expected("concentration.csv")) {
    EXPECT_AGREES(layer(row).gini_full.value, "gini_full");
    EXPECT_AGREES(layer(row).gini_topk.value, "gini_topk");
    EXPECT_AGREES(layer(row).gini_topk.floor, "gini_floor");
    EXPECT_AGREES(layer(row).used_experts.value, "used_experts");
  }
  const auto rows = expected("lorenz.csv");
  ASSERT_EQ(rows.size(), 3u * 17);
  for (const Row& row : rows) {
    const auto point = static_cast<size_t>(std::lround(std::stod(row.at("share_of_experts")) * 16));
    EXPECT_AGREES(layer(row).lorenz.at(point), "share_of_contribution");
  }
}

TEST_F(Synthetic, SpecificityAndVariance) {
  for (const Row& row : expected("specificity.csv")) {
    const size_t t = domain(row.at("domain"));
    EXPECT_EQ(result_->domains[t].samples, std::stoll(row.at("samples")));
    EXPECT_AGREES(layer(row).silhouette.at(t).value, "silhouette");
  }
  for (const Row& row : expected("variance.csv")) EXPECT_AGREES(layer(row).r2.value, "r2");
}

}  // namespace
}  // namespace committee::audit
