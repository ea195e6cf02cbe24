#include "report/audit_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "base/csv.h"
#include "base/error.h"
#include "report/sample_audit.h"

namespace committee::report {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::map<std::string, std::string> csv_files(const audit::AuditResult& result) {
  std::map<std::string, std::string> files;
  for (auto& file : audit_csv(result)) files[file.name] = file.text;
  return files;
}

std::vector<CsvRecord> records(const std::string& text) {
  CsvReader reader(text, "test");
  std::vector<CsvRecord> all;
  while (auto record = reader.next()) all.push_back(*record);
  return all;
}

std::string header(const std::string& text) { return text.substr(0, text.find('\n')); }

// What the contract names, for an audit without baselines: nothing more but the columns of our own.
TEST(AuditCsv, ColumnsOfTheContract) {
  SampleShape shape;
  shape.baselines = SampleBaselines::kNone;
  const auto files = csv_files(sample_audit(shape));
  const std::map<std::string, std::string> expected = {
      {"committees.csv",
       "layer,size,committee,core_size,core,avg_rank,rank_variance,coverage_full,coverage_topk,ratio_full,"
       "ratio_topk,"
       "by_fallback,verdict,size_floor,coverage_full_floor,coverage_topk_floor,ratio_full_floor,ratio_topk_"
       "floor"},
      {"experts.csv",
       "layer,expert,contribution,presence,avg_rank,rank_variance,candidate,in_committee,inclusion,core_"
       "inclusion"},
      {"contributions.csv", "layer,domain,expert,contribution,rank"},
      {"sharing.csv",
       "layer,jaccard_mean,jaccard_min,jaccard_max,chance,permuted_mean,permuted_low,permuted_high,p_value,"
       "effect"},
      {"jaccard_pairs.csv", "layer,domain_a,domain_b,jaccard,jaccard_floor"},
      {"concentration.csv", "layer,gini_full,gini_topk,gini_floor,used_experts,gini_full_floor"},
      {"lorenz.csv", "layer,share_of_experts,share_of_contribution"},
      {"load.csv", "layer,routing_entropy,load_entropy,effective_experts,max_over_mean,unused"},
      {"specificity.csv", "layer,domain,samples,silhouette"},
      {"variance.csv", "layer,r2,p_value"},
      {"summary.csv", "figure,statistic,value"},
  };
  ASSERT_EQ(files.size(), expected.size());
  for (const auto& [name, text] : files) EXPECT_EQ(header(text), expected.at(name)) << name;
}

TEST(AuditCsv, BaselinesHaveColumnsWhenComputed) {
  const auto files = csv_files(sample_audit());
  EXPECT_THAT(header(files.at("committees.csv")),
              HasSubstr(",ratio_topk,stable_size,stable,agreement,excess_topk,by_fallback,verdict,shuffle_"
                        "committee_rate,"));
  EXPECT_THAT(
      header(files.at("committees.csv")),
      HasSubstr(",coverage_topk_floor,coverage_topk_permuted_mean,coverage_topk_permuted_low,"
                "coverage_topk_permuted_high,coverage_topk_p_value,coverage_topk_low,coverage_topk_high"));
  EXPECT_THAT(header(files.at("sharing.csv")), HasSubstr(",p_value,effect,jaccard_min_permuted_mean,"));
  EXPECT_THAT(header(files.at("sharing.csv")), HasSubstr(",jaccard_mean_low,jaccard_mean_high"));
  EXPECT_THAT(header(files.at("variance.csv")),
              HasSubstr("layer,r2,p_value,r2_permuted_mean,r2_permuted_low,r2_permuted_high,r2_low,r2_high"));
}

TEST(AuditCsv, CellsAreTheResult) {
  auto result = sample_audit();
  result.layers[0].committee = {7, 2};
  result.layers[0].core = {2, 7, 11};
  result.layers[0].coverage_topk.value = 0.1 + 0.2;
  const auto files = csv_files(result);

  const auto committees = records(files.at("committees.csv"));
  ASSERT_EQ(committees.size(), 1 + result.layers.size());
  EXPECT_EQ(committees[1].cells[0], "1");
  EXPECT_EQ(committees[1].cells[1], "2");
  EXPECT_EQ(committees[1].cells[2], "7 2");
  EXPECT_EQ(committees[1].cells[3], "3");
  EXPECT_EQ(committees[1].cells[4], "2 7 11");
  EXPECT_EQ(committees[1].cells[8], "0.30000000000000004");
  // No committee: coverage 0, averages and ratios undefined.
  EXPECT_EQ(committees[2].cells[1], "0");
  EXPECT_EQ(committees[2].cells[2], "");
  EXPECT_EQ(committees[2].cells[5], "");
  EXPECT_EQ(committees[2].cells[8], "0");
  EXPECT_EQ(committees[2].cells[10], "");

  const auto contributions = records(files.at("contributions.csv"));
  ASSERT_EQ(contributions.size(), 1 + result.layers.size() * 6 * 16);
  const auto& row = contributions[1 + 6 * 16 + 2 * 16 + 5];  // second layer, third domain, expert 5
  EXPECT_EQ(row.cells[0], "2");
  EXPECT_EQ(row.cells[1], "Humanities");
  EXPECT_EQ(row.cells[2], "5");
  EXPECT_EQ(row.cells[3], fmt::format("{}", *result.layers[1].contributions[2 * 16 + 5].value));
  EXPECT_EQ(row.cells[4], std::to_string(result.layers[1].ranks[2 * 16 + 5]));
  EXPECT_EQ(contributions[1].cells[1], "Biz, \"Law\" & <Econ>");

  const auto experts = records(files.at("experts.csv"));
  EXPECT_EQ(experts[1].cells[6], result.layers[0].experts[0].candidate ? "1" : "0");
  const auto lorenz = records(files.at("lorenz.csv"));
  ASSERT_EQ(lorenz.size(), 1 + result.layers.size() * 17);
  EXPECT_EQ(lorenz[2].cells[1], "0.0625");
  const auto pairs = records(files.at("jaccard_pairs.csv"));
  ASSERT_EQ(pairs.size(), 1 + result.layers.size() * 15);
  EXPECT_EQ(pairs[1].cells[2], "CS-Eng");
}

TEST(AuditJson, ReadsBackTheSame) {
  for (const auto baselines : {SampleBaselines::kNone, SampleBaselines::kAll}) {
    SampleShape shape;
    shape.baselines = baselines;
    auto result = sample_audit(shape);
    result.layers[0].coverage_topk.value = -0.0;
    result.layers[0].gini_full.value = 1.0 / 3;
    result.layers[0].lorenz.clear();
    result.options.k = 3;
    result.options.min_specificity = 0.25;
    const std::string text = audit_json(result);
    const auto again = parse_audit(text, "audit.json");
    EXPECT_EQ(audit_json(again), text);
    EXPECT_EQ(again.layers[0].gini_full.value, 1.0 / 3);
    EXPECT_EQ(again.options.seed, ~uint64_t{0});
    EXPECT_EQ(again.warnings[0].evidence, result.warnings[0].evidence);
    EXPECT_FALSE(again.layers[1].avg_rank.value);
    EXPECT_EQ(csv_files(again), csv_files(result));
  }
}

TEST(AuditJson, OneDomainAndNoLayers) {
  SampleShape shape;
  shape.domains = 1;
  auto result = sample_audit(shape);
  EXPECT_EQ(parse_audit(audit_json(result), "f").layers[0].pairs.size(), 0u);
  result.layers.clear();
  EXPECT_EQ(parse_audit(audit_json(result), "f").layers.size(), 0u);
}

TEST(AuditJson, NotFiniteIsNull) {
  auto result = sample_audit();
  result.layers[0].ratio_topk.value = std::numeric_limits<double>::infinity();
  EXPECT_EQ(parse_audit(audit_json(result), "f").layers[0].ratio_topk.value, std::nullopt);
}

// Every member that is missing, or of another type, is refused with its name.
void break_members(Json& json, Json& root, const std::string& where, int& broken) {
  for (auto it = json.begin(); it != json.end(); ++it) {
    const bool table = where.starts_with("layers") && it->is_array() && it->size() > 40;
    if (it->is_structured() && !table && where != "warnings" && it.key() != "domain_of") {
      if (it->is_object()) {
        break_members(*it, root, where + "." + it.key(), broken);
      } else if (it->size() > 0 && (*it)[0].is_object()) {
        break_members((*it)[0], root, it.key(), broken);
      }
    }
    if (it->is_null()) continue;
    const Json kept = *it;
    *it = kept.is_object() ? Json("text") : Json::object();
    EXPECT_THROW(parse_audit(root.dump(), "bad.json"), Error) << where << "." << it.key();
    *it = kept;
    ++broken;
  }
}

TEST(AuditJson, EveryWrongTypeIsRefused) {
  SampleShape shape{1, 4, 2, 2, SampleBaselines::kAll};
  Json json = Json::parse(audit_json(sample_audit(shape)));
  json["warnings"].erase(0);
  json["warnings"].erase(0);
  json.erase("tool_version");
  int broken = 0;
  break_members(json, json, "", broken);
  EXPECT_GT(broken, 300);
}

std::string refusal(const Json& json) {
  try {
    parse_audit(json.dump(), "bad.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(AuditJson, RefusalsNameTheField) {
  const Json good = Json::parse(audit_json(sample_audit()));
  const auto broken = [&](const std::string& pointer, const Json& value) {
    Json json = good;
    json[Json::json_pointer(pointer)] = value;
    return refusal(json);
  };
  ASSERT_EQ(refusal(good), "accepted");
  EXPECT_THAT(broken("/format", "other"), HasSubstr("bad.json: is not an audit"));
  EXPECT_THAT(broken("/format_version", 2), HasSubstr("format_version must be in 1..1"));
  EXPECT_THAT(broken("/k", 17), HasSubstr("k must be in 1..16"));
  EXPECT_THAT(broken("/model/experts", 1000000),
              HasSubstr("layers[0].lorenz must have 1000001 elements, found 17"));
  EXPECT_THAT(broken("/layers/0/lorenz", Json::array({0.0, 1.0})),
              HasSubstr("layers[0].lorenz must have 17"));
  EXPECT_THAT(broken("/layers/1/layer", 1), HasSubstr("layers must be in ascending order"));
  EXPECT_THAT(broken("/layers/0/committee", Json::array({16})),
              HasSubstr("layers[0].committee[0] must be in 0..15"));
  EXPECT_THAT(broken("/layers/0/committee", Json::array({3, 3})),
              HasSubstr("layers[0].committee has an id twice"));
  EXPECT_THAT(broken("/layers/0/ranks/3", 6), HasSubstr("layers[0].ranks[3] must be in 1..5"));
  EXPECT_THAT(broken("/layers/0/ranks/3", 18446744073709551615u),
              HasSubstr("layers[0].ranks[3] must be in 1..5"));
  EXPECT_THAT(broken("/layers/0/pairs/a/0", 5), HasSubstr("layers[0].pairs must have each pair"));
  EXPECT_THAT(broken("/layers/0/pairs/b/0", -1), HasSubstr("layers[0].pairs.b[0] must be in 0..5"));
  EXPECT_THAT(broken("/layers/0/figures/size/value", "2"),
              HasSubstr("layers[0].figures.size.value must be a number"));
  EXPECT_THAT(broken("/layers/0/contributions/low/0", nullptr), HasSubstr("intervals with one end"));
  EXPECT_THAT(broken("/verdict/verdict", "maybe"),
              HasSubstr("verdict.verdict must be one of committee, arithmetic, undecided, none"));
  EXPECT_THAT(broken("/options/seed", -1), HasSubstr("options.seed must be an integer of at least 0"));
}

TEST(AuditJson, HostileTextIsAnError) {
  EXPECT_THROW(parse_audit("", "f"), Error);
  EXPECT_THROW(parse_audit("[]", "f"), Error);
  EXPECT_THROW(parse_audit("{\"format\": 3}", "f"), Error);
  EXPECT_THROW(parse_audit(std::string(1000000, '['), "f"), Error);
  const std::string good = audit_json(sample_audit());
  for (size_t cut = 1; cut < good.size(); cut += good.size() / 97) {
    EXPECT_THROW(parse_audit(std::string_view(good).substr(0, cut), "f"), Error) << cut;
  }
}

class AuditFolder : public testing::Test {
 protected:
  void SetUp() override { fs::remove_all(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  std::string read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(folder_ / name).rdbuf();
    return text.str();
  }
  const fs::path folder_ = fs::path(testing::TempDir()) / "report_audit_folder";
};

TEST_F(AuditFolder, HoldsEveryFile) {
  const auto result = sample_audit();
  write_audit(result, folder_ / "deeper");
  fs::rename(folder_ / "deeper", folder_ / "moved");
  write_audit(result, folder_);
  for (const auto& [name, text] : csv_files(result)) EXPECT_EQ(read(name), text) << name;
  EXPECT_EQ(read("audit.json"), audit_json(result));
  EXPECT_EQ(audit_json(read_audit(folder_)), audit_json(result));
  EXPECT_EQ(audit_json(read_audit(folder_ / "audit.json")), audit_json(result));
  for (const auto& entry : fs::directory_iterator(folder_)) EXPECT_NE(entry.path().extension(), ".partial");
}

TEST_F(AuditFolder, AFailureLeavesNoAuditJson) {
  write_audit(sample_audit(), folder_);
  fs::remove(folder_ / "variance.csv");
  fs::create_directory(folder_ / "variance.csv");
  EXPECT_THROW(write_audit(sample_audit(), folder_), Error);
  EXPECT_FALSE(fs::exists(folder_ / "audit.json"));
  EXPECT_THROW(read_audit(folder_), Error);
}

}  // namespace
}  // namespace committee::report
