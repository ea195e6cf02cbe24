#include <gtest/gtest.h>

#include <fstream>

#include "audit/expected.h"
#include "audit/reference.h"
#include "paths.h"
#include "trace/import.h"

// Golden of the authors' whole chain: weight-and-frequency script, then audit script, on six domains of
// routing distributions (4 layers, 64 experts, k = 6).
namespace committee::audit {
namespace {

using testing::read_table;

class ReferenceTraceTest : public ::testing::Test {
 protected:
  static std::filesystem::path fixture() {
    return std::filesystem::path(paths::kFixtures) / "audit" / "reference-trace";
  }
  static ReferenceTrace run() {
    const std::filesystem::path folder = ::testing::TempDir() + "/committee_audit_reference";
    std::filesystem::remove_all(folder);
    trace::ImportOptions import;
    import.top_k = 6;
    import.rows = trace::Rows::kDistribution;
    trace::import_trace("npy", fixture() / "input", folder, import);
    return reference_of_trace(trace::Trace::open(folder), {});
  }
  static std::string expected(const char* file) {
    return std::string(MappedFile(fixture() / "expected" / file).text());
  }
};

TEST_F(ReferenceTraceTest, WholeChain) {
  const ReferenceTrace found = run();
  EXPECT_EQ(reference_csv(found.table, 0.8, "table"), expected("reference.csv"));
  EXPECT_EQ(reference_csv(found.table, 0.5, "table"), expected("reference.presence0.5.csv"));

  const std::filesystem::path table = ::testing::TempDir() + "/committee_audit_reference_table.csv";
  std::ofstream(table) << found.csv;
  const auto rows = read_table(table), wanted = read_table(fixture() / "expected" / "table.csv");
  ASSERT_EQ(rows.size(), wanted.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    for (const char* column : {"domain", "idx", "topk_values", "topk_indices"}) {
      EXPECT_EQ(rows[i].at(column), wanted[i].at(column)) << column << " of row " << i;
    }
    EXPECT_NEAR(std::stod(rows[i].at("topk_mean")), std::stod(wanted[i].at("topk_mean")), 1e-6);
  }
  // The table is what --eci reference reads, so the chain closes.
  EXPECT_EQ(reference_csv(read_reference_table(table, {}), 0.8, "table"), expected("reference.csv"));
}

}  // namespace
}  // namespace committee::audit
