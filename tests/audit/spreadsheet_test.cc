#include "audit/spreadsheet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <minizip/zip.h>

#include <fstream>
#include <map>

#include "audit/reference.h"
#include "base/error.h"
#include "paths.h"

namespace committee::audit {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kWorkbook =
    R"(<workbook><sheets><sheet name="a" sheetId="1" r:id="rId1"/></sheets></workbook>)";
constexpr const char* kRelations =
    R"(<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>)";

fs::path write_workbook(const std::string& sheet, const std::string& strings) {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  const fs::path path = fs::path(testing::TempDir()) / (std::string("committee_") + info->name() + ".xlsx");
  const std::map<std::string, std::string> parts = {{"xl/workbook.xml", kWorkbook},
                                                    {"xl/_rels/workbook.xml.rels", kRelations},
                                                    {"xl/sharedStrings.xml", strings},
                                                    {"xl/worksheets/sheet1.xml", sheet}};
  const zipFile archive = zipOpen64(path.c_str(), APPEND_STATUS_CREATE);
  for (const auto& [name, text] : parts) {
    zipOpenNewFileInZip(archive, name.c_str(), nullptr, nullptr, 0, nullptr, 0, nullptr, Z_DEFLATED,
                        Z_DEFAULT_COMPRESSION);
    zipWriteInFileInZip(archive, text.data(), static_cast<unsigned>(text.size()));
    zipCloseFileInZip(archive);
  }
  EXPECT_EQ(zipClose(archive, nullptr), ZIP_OK);
  return path;
}

std::string refusal(const fs::path& path) {
  try {
    Spreadsheet table(path);
    while (table.next()) {
    }
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Spreadsheet, ReadsCellsOfEveryKind) {
  Spreadsheet table(write_workbook(
      R"(<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="inlineStr"><is><t>idx</t></is></c></row>)"
      R"(<row r="3"><c r="B3"><v>1.5</v></c></row></sheetData></worksheet>)",
      R"(<sst><si><r><t>do</t></r><r><t>main</t></r></si></sst>)"));
  EXPECT_THAT(table.header(), ElementsAre("domain", "idx"));
  ASSERT_TRUE(table.next());
  EXPECT_EQ(table.line(), 3);
  EXPECT_EQ(table.cell(0), "");
  EXPECT_EQ(table.cell(1), "1.5");
  EXPECT_FALSE(table.next());
}

TEST(Spreadsheet, RefusesWhatIsNotThere) {
  const std::string row =
      R"(<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>7</v></c></row></sheetData></worksheet>)";
  EXPECT_THAT(refusal(write_workbook(row, "<sst/>")), HasSubstr("a shared string that is not there"));
  EXPECT_THAT(refusal(write_workbook("<worksheet>", "<sst/>")), HasSubstr("is no XML"));
  EXPECT_THAT(
      refusal(write_workbook(
          R"(<worksheet><sheetData><row><c r="ZZZZ1"><v>1</v></c></row></sheetData></worksheet>)", "<sst/>")),
      HasSubstr("beyond the last column"));
}

TEST(Spreadsheet, RowsMayBeShorterThanTheHeaderButNotLonger) {
  const fs::path path = fs::path(testing::TempDir()) / "committee_wide.csv";
  std::ofstream(path) << "a,b,c\n1\n2,\"x\"\"y\"\n1,2,3,4\n";
  Spreadsheet table(path);
  ASSERT_TRUE(table.next());
  EXPECT_EQ(table.cell(2), "");
  ASSERT_TRUE(table.next());
  EXPECT_EQ(table.cell(1), "x\"y");
  EXPECT_THAT(refusal(path), HasSubstr(":4: has 4 cells, the header 3"));
}

// 20 MB of blanks pack into a few KB.
TEST(Spreadsheet, RefusesAnArchiveThatUnpacksToFarMore) {
  const auto path = write_workbook("<worksheet>" + std::string(20'000'000, ' ') + "</worksheet>", "<sst/>");
  ASSERT_LT(fs::file_size(path), 100'000u);
  EXPECT_THAT(refusal(path),
              HasSubstr("unpacks to more than 4194304 bytes, at member \"xl/worksheets/sheet1.xml\""));
}

// Fixtures by tools/checks/audit/make_tables.py.
TEST(Spreadsheet, WorkbooksOfOpenpyxlReadAsTheirCsv) {
  const fs::path folder = fs::path(paths::kFixtures) / "audit/tables";
  for (const std::string name : {"long", "lists"}) {
    EXPECT_EQ(Spreadsheet(folder / (name + ".xlsx")).header(),
              Spreadsheet(folder / (name + ".csv")).header());
    const auto a = read_reference_table(folder / (name + ".xlsx"), {}),
               b = read_reference_table(folder / (name + ".csv"), {});
    ASSERT_EQ(a.rows.size(), 6u);
    for (size_t i = 0; i < a.rows.size(); ++i) {
      EXPECT_EQ(a.rows[i].layer, b.rows[i].layer);
      EXPECT_EQ(a.rows[i].domain, b.rows[i].domain);
      EXPECT_EQ(a.rows[i].ids, b.rows[i].ids);
      EXPECT_THAT(a.rows[i].values, testing::Pointwise(testing::DoubleEq(), b.rows[i].values));
    }
    EXPECT_EQ(reference_csv(a, 0.8, name), reference_csv(b, 0.8, name));
  }
}

}  // namespace
}  // namespace committee::audit
