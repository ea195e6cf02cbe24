// The views of a comparison: numbers agree between them, hostile names stay names.

#include "report/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/csv.h"
#include "base/json.h"
#include "report/sample_audit.h"

namespace committee::report {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<std::vector<std::string>> rows_of(const ComparisonReport& report, const std::string& name) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& file : comparison_csv(report)) {
    if (file.name != name) continue;
    CsvReader reader(file.text, name);
    while (auto record = reader.next()) rows.push_back(record->cells);
  }
  return rows;
}

// The second audit: expert 0 of the first layer gives its place to one that no set held.
audit::AuditResult changed() {
  auto result = sample_audit();
  auto& layer = result.layers[0];
  const int gone = layer.committee.at(0);
  int come = 0;
  while (layer.experts[static_cast<size_t>(come)].candidate) ++come;
  auto &was = layer.experts[static_cast<size_t>(gone)], &is = layer.experts[static_cast<size_t>(come)];
  was.in_committee = false;
  is.in_committee = true;
  was.inclusion = 0.0;
  is.inclusion = 1.0;
  layer.committee[0] = come;
  return result;
}

TEST(Comparison, IdenticalAudits) {
  const auto report = compare_audits({{"a", sample_audit()}, {"b", sample_audit()}});
  EXPECT_THAT(report.sentences.at(0), HasSubstr("b against a: no difference"));
  const auto rows = rows_of(report, "compare.csv");
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_THAT(rows[0], testing::IsSupersetOf(
                           {"layer", "committee_jaccard", "committee_joined", "core_jaccard", "spearman"}));
  EXPECT_EQ(rows[1][3], "1");
  EXPECT_EQ(rows_of(report, "compare_experts.csv").size(), 1u);
  EXPECT_THAT(comparison_text(report, {}), HasSubstr("= same"));
}

TEST(Comparison, APlantedChange) {
  auto reference = sample_audit();
  for (auto& expert : reference.layers[0].experts) {
    if (expert.in_committee) expert.inclusion = 1.0;
  }
  const auto report = compare_audits({{"a", reference}, {"b", changed()}});
  EXPECT_THAT(report.sentences.at(0), HasSubstr("beyond bootstrap noise in 1 of 4 layers"));
  const auto experts = rows_of(report, "compare_experts.csv");
  ASSERT_EQ(experts.size(), 3u);
  EXPECT_EQ(experts[1][3], "committee");
  EXPECT_EQ(experts[1].back(), "1");
  const Json json = parse_json(comparison_json(report, "compare a b"), "compare.json");
  EXPECT_EQ(json["format"], "committee-audit compare");
  EXPECT_EQ(json["command"], "compare a b");
  EXPECT_EQ(json["pairs"][0]["layers"][0]["committee"]["change"], "beyond_noise");
  EXPECT_EQ(json["sentences"].size(), report.sentences.size());
}

TEST(Comparison, AFigureIsItsExcess) {
  const auto audit = sample_audit();
  const auto report =
      compare_audits({{"a", audit}, {"b", sample_audit({2, 32, 4, 5, SampleBaselines::kAll})}});
  EXPECT_TRUE(report.pairs.empty());
  EXPECT_THAT(report.sentences.at(0), HasSubstr("differ in shape"));
  double floor = 0, permuted = 0;
  for (const auto& layer : audit.layers) {
    floor += (*layer.gini_topk.value - *layer.gini_topk.floor) / 4;
    permuted += (*layer.gini_topk.value - layer.gini_topk.permuted->mean) / 4;
  }
  bool found = false;
  for (const auto& figure : report.figures) {
    if (figure.name != std::string("gini_topk") || figure.audit != 0) continue;
    found = true;
    EXPECT_NEAR(*figure.excess_floor, floor, 1e-12);
    EXPECT_NEAR(*figure.excess_permuted, permuted, 1e-12);
    EXPECT_EQ(figure.layers, 4);
  }
  EXPECT_TRUE(found);
  EXPECT_EQ(rows_of(report, "compare.csv").size(), 1u);
  EXPECT_THAT(comparison_text(report, {}), Not(HasSubstr("by layer")));
}

TEST(Comparison, WithoutBaselines) {
  const SampleShape shape{4, 16, 4, 6, SampleBaselines::kNone};
  auto other = sample_audit(shape);
  other.layers[0].committee = {other.layers[0].committee.back()};
  const auto report = compare_audits({{"a", sample_audit(shape)}, {"b", other}});
  EXPECT_THAT(report.sentences.at(0), HasSubstr("no bootstrap says"));
  const auto experts = rows_of(report, "compare_experts.csv");
  ASSERT_EQ(experts.size(), 2u);
  EXPECT_EQ(experts[1].back(), "");
  for (const auto& figure : report.figures) EXPECT_FALSE(figure.excess_permuted) << figure.name;
}

TEST(Comparison, ThePageHoldsTablesAndKeepsNamesHarmless) {
  const auto report =
      compare_audits({{"</script><b>a", sample_audit()}, {"b", changed()}, {"c", sample_audit()}});
  const std::string html = html_comparison(report, {"compare '<x>'"});
  const std::string own = html.substr(0, html.find("/*! vega"));
  EXPECT_THAT(own, Not(HasSubstr("</script><b>a")));
  EXPECT_THAT(own, HasSubstr("&lt;/script&gt;&lt;b&gt;a"));
  EXPECT_THAT(own, HasSubstr("compare &#39;&lt;x&gt;&#39;"));
  for (const char* table :
       {"compare.csv", "compare_experts.csv", "compare_matrix.csv", "compare_figures.csv"}) {
    EXPECT_THAT(own, HasSubstr(fmt::format("data-name=\"{}\"", table)));
  }
  EXPECT_THAT(own, HasSubstr("data-chart=\"compare_matrix\""));
}

}  // namespace
}  // namespace committee::report
