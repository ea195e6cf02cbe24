#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/reference.h"
#include "base/atomic_file.h"
#include "base/error.h"

namespace committee::audit {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

ReferenceTable read(const std::string& rows, const ReferenceOptions& options = {}) {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  const fs::path path = fs::path(testing::TempDir()) / (std::string("committee_") + info->name() + ".csv");
  write_file(path, "layer,domain,expert_idx,expert_weight\n" + rows);
  return read_reference_table(path, options);
}

// Rows of a group that are in several places make one list, as those that follow each other do.
TEST(ReferenceTable, ListsAreTheSameWhereverTheirRowsAre) {
  const std::vector<std::string> rows = {"2,law,0,0.25\n",  "2,law,1,0.5\n",   "2,law,2,0.125\n",
                                         "2,maths,0,0.5\n", "10,law,2,0.25\n", "10,law,2,0.75\n",
                                         "10,law,0,0.125\n"};
  std::string together, apart;
  for (size_t i = 0; i < rows.size(); ++i) {
    together += rows[i];
    apart += rows[i * 3 % rows.size()];
  }
  for (const std::optional<int> k : {std::optional<int>(), std::optional<int>(2)}) {
    for (const std::string& text : {together, apart}) {
      const auto table = read(text, {.k = k});
      ASSERT_EQ(table.rows.size(), 3u);
      EXPECT_EQ(table.rows[0].layer, 2);
      EXPECT_EQ(table.rows[0].domain, "law");
      EXPECT_EQ(table.rows[1].domain, "maths");
      EXPECT_EQ(table.rows[2].layer, 10);
      if (k) {
        EXPECT_THAT(table.rows[0].ids, ElementsAre(1, 0));
        EXPECT_THAT(table.rows[2].values, ElementsAre(0.5, 0.125));
      } else {
        EXPECT_THAT(table.rows[0].ids, ElementsAre(1, 0, 2));
        EXPECT_THAT(table.rows[1].ids, ElementsAre(0, -1, -1));
        EXPECT_THAT(table.rows[2].values, ElementsAre(0.5, 0.125, 0));
      }
    }
  }
}

TEST(ReferenceTable, WeightsWithoutAMeanGoLast) {
  EXPECT_THAT(read("0,law,3,inf\n0,law,3,-inf\n0,law,5,0.25\n0,law,4,0.5\n").rows[0].ids,
              ElementsAre(4, 5, 3));
}

// The first row repeats the header's cells, and is no row for it.
TEST(ReferenceTable, RefusesASecondHeader) {
  try {
    read("layer,domain,1,0.5\n");
    FAIL() << "accepted";
  } catch (const Error& problem) {
    EXPECT_THAT(problem.what(), HasSubstr(":2: column \"layer\" must hold a number: \"layer\""));
  }
}

}  // namespace
}  // namespace committee::audit
