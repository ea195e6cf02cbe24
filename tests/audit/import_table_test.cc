#include "audit/import_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "audit/audit.h"
#include "base/error.h"
#include "trace/reader.h"

namespace committee::audit {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::filesystem::path file(const std::string& name, const std::string& text) {
  const std::filesystem::path path = ::testing::TempDir() + "/committee_table_" + name;
  std::ofstream(path) << text;
  return path;
}

std::string out() { return ::testing::TempDir() + "/committee_table_trace"; }

trace::ImportOptions options(int k = 2, std::optional<int> experts = 4) {
  return {.existing = trace::Existing::kOverwrite, .top_k = k, .experts = experts, .rows = {}};
}

std::string error_of(const std::string& text, const trace::ImportOptions& with) {
  try {
    import_table(file("bad.csv", text), out(), with);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

constexpr const char* kLong =
    "layer,domain,expert_idx,expert_weight\n"
    "1,\"law, civil\",0,1\n1,\"law, civil\",0,3\n1,\"law, civil\",2,2\n1,maths,3,0.5\n1,maths,-1,9\n"
    "4,maths,1,1\n4,\"law, civil\",1,1\n";

TEST(ImportTable, LongLayoutAveragesRepeatedRowsAndSkipsPadding) {
  const auto result = import_table(file("long.csv", kLong), out(), options());
  EXPECT_THAT(result.manifest.recording.allowed_eci, ElementsAre("routing"));
  const auto trace = trace::Trace::open(out());
  EXPECT_THAT(trace.manifest().model.moe_layers, ElementsAre(1, 4));
  ASSERT_EQ(trace.samples().size(), 2u);
  EXPECT_EQ(trace.samples()[0].domain, "law, civil");
  trace::Trace::Scratch scratch;
  EXPECT_THAT(trace.read(0, 0, 1, scratch).probs, ElementsAre(0.5F, 0, 0.5F, 0, 0, 1, 0, 0));
  EXPECT_THAT(trace.read(0, 1, 1, scratch).probs, ElementsAre(0, 0, 0, 1, 0, 1, 0, 0));
  const AuditResult audited = audit(trace, {.bootstrap = 5, .permutations = 5, .expert_shuffles = 5});
  EXPECT_EQ(*audited.layers[1].coverage_full.value, 1);
}

TEST(ImportTable, ListsOfExpertsAndTheGuessedPool) {
  const auto result = import_table(
      file("lists.csv", "domain,idx,topk_mean,topk_values,topk_indices\nd,0,1,\"[3.0, 1.0]\",\"[5, 7]\"\n"),
      out(), options(2, std::nullopt));
  EXPECT_EQ(result.manifest.model.experts, 64);
  EXPECT_THAT(result.warnings, ::testing::Contains(HasSubstr("64 are assumed")));
}

TEST(ImportTable, BadInputIsRefused) {
  const std::string header = "layer,domain,expert_idx,expert_weight\n";
  EXPECT_THAT(
      error_of(kLong, {.existing = trace::Existing::kOverwrite, .top_k = {}, .experts = {}, .rows = {}}),
      HasSubstr("give --k"));
  EXPECT_THAT(error_of(kLong, options(2, 3)), HasSubstr("lists expert 3"));
  EXPECT_THAT(error_of(kLong, options(5)), HasSubstr("--k 5 is more than 4"));
  EXPECT_THAT(error_of(header + "0,a,0,-1\n", options()), HasSubstr("has the weight -1"));
  EXPECT_THAT(error_of(header + "0,a,0,inf\n", options()), HasSubstr("weight inf"));
  EXPECT_THAT(error_of(header + "0,a,0,nan\n", options()), HasSubstr("must hold a number"));
  EXPECT_THAT(error_of(header + "0,a,0,0\n", options()), HasSubstr("no expert has a weight"));
  EXPECT_THAT(error_of(header + "-2,a,0,1\n", options()), HasSubstr("no layer id"));
  EXPECT_THAT(error_of(header + "0,a,0,1\n1,a,0,1\n0,b,0,1\n", options()),
              HasSubstr("domain \"b\" has no layer 1"));
  EXPECT_THAT(error_of("a,b\n1,2\n", options()), HasSubstr("neither layout"));
  EXPECT_THAT(error_of("domain,idx,topk_values,topk_indices\nd,0,\"1\",\"1\"\nd,0,\"1\",\"2\"\n", options()),
              HasSubstr("is listed twice"));
  EXPECT_THAT(error_of("domain,idx,topk_values,topk_indices\nd,0,\"1,2\",\"1\"\n", options()),
              HasSubstr("lists 1 experts and 2 weights"));
}

}  // namespace
}  // namespace committee::audit
