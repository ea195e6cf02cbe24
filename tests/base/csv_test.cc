#include "base/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/error.h"

namespace committee {
namespace {

using testing::ElementsAre;

std::vector<CsvRecord> read(std::string_view text) {
  CsvReader reader(text, "t.csv");
  std::vector<CsvRecord> records;
  while (auto record = reader.next()) records.push_back(std::move(*record));
  return records;
}

std::string refusal(std::string_view text) {
  try {
    read(text);
  } catch (const Error& problem) {
    return problem.what();
  }
  return "accepted";
}

TEST(CsvReader, PlainQuotedAndEmptyCells) {
  const auto rows = read("a,\"b,c\",\"say \"\"hi\"\"\"\n,\"\",x y \n");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_THAT(rows[0].cells, ElementsAre("a", "b,c", "say \"hi\""));
  EXPECT_THAT(rows[1].cells, ElementsAre("", "", "x y "));
}

TEST(CsvReader, CellsThatRepeatTheRecordAboveAreReadFromTheirOwn) {
  const std::string text =
      "layer,domain,id\n10,elementary mathematics,1\n10,elementary "
      "mathematics,12\n10,elementary,12\n10,\"a\"\"b\",1\n"
      "10,\"a\"\"b\",2\n10\n10,\n10,";
  CsvReader reader(text, "t.csv");
  std::vector<std::string_view> cells;
  std::deque<std::string> unquoted;
  std::vector<size_t> repeated;
  std::vector<std::string> rows;
  for (; reader.next(cells, unquoted); cells.clear()) {
    repeated.push_back(reader.repeated());
    rows.push_back(fmt::format("{}", fmt::join(cells, "|")));
  }
  EXPECT_THAT(rows,
              ElementsAre("layer|domain|id", "10|elementary mathematics|1", "10|elementary mathematics|12",
                          "10|elementary|12", "10|a\"b|1", "10|a\"b|2", "10", "10|", "10|"));
  EXPECT_THAT(repeated, ElementsAre(0, 0, 2, 1, 1, 0, 0, 0, 0));
}

TEST(CsvReader, LinesAreWhereRecordsBegin) {
  const auto rows = read("\n\na,\"two\nlines\r\nand three\"\r\n\r\nb,c\nd,");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].line, 3);
  EXPECT_THAT(rows[0].cells, ElementsAre("a", "two\nlines\r\nand three"));
  EXPECT_EQ(rows[1].line, 7);
  EXPECT_THAT(rows[1].cells, ElementsAre("b", "c"));
  EXPECT_EQ(rows[2].line, 8);
  EXPECT_THAT(rows[2].cells, ElementsAre("d", ""));
}

TEST(CsvReader, EndsWithAndWithoutLineBreak) {
  for (const char* text :
       {"a,b", "a,b\n", "a,b\r\n", "a,b\r", "a,\"b\"", "a,\"b\"\r\n", "a,\"b\"\r", "\uFEFFa,b"}) {
    const auto rows = read(text);
    ASSERT_EQ(rows.size(), 1u) << text;
    EXPECT_THAT(rows[0].cells, ElementsAre("a", "b")) << text;
  }
  EXPECT_TRUE(read("").empty());
  EXPECT_TRUE(read("\xEF\xBB\xBF\n\r\n").empty());
}

TEST(CsvReader, QuotesInsideAnUnquotedCellAreText) {
  EXPECT_THAT(read("5\" pipe,a\n")[0].cells, ElementsAre("5\" pipe", "a"));
}

TEST(CsvReader, RefusesBrokenText) {
  EXPECT_EQ(refusal("a\nb,\"c\n\n"), "t.csv:2: a quoted cell is never closed");
  EXPECT_EQ(refusal("\"\n\"x,b\n"), "t.csv:2: text follows the closing quote of a cell");
  EXPECT_EQ(refusal("\"a\"\r,b\n"), "t.csv:1: text follows the closing quote of a cell");
  EXPECT_EQ(refusal("a,b\n\"c\nd\xFF\",e\n"), "t.csv:3: invalid UTF-8");
  EXPECT_EQ(refusal("a,b\nc,\"\n\",\xC3\n"), "t.csv:3: invalid UTF-8");
}

TEST(CsvWriter, QuotesOnlyWhatNeedsIt) {
  CsvWriter writer({"a", "b,c"});
  writer.add("plain").add("say \"hi\"\n").end_row();
  writer.add(std::string_view()).add("\r").end_row();
  EXPECT_EQ(writer.text(), "a,\"b,c\"\nplain,\"say \"\"hi\"\"\n\"\n,\"\r\"\n");
}

TEST(CsvWriter, NumbersReadBackToTheSameDouble) {
  for (const double value :
       {0.1, 1.0 / 3, 1e-300, 5e-324, 123456789.0, -0.0, 1e22, std::nextafter(1.0, 2.0)}) {
    CsvWriter writer({"x"});
    writer.add(value).end_row();
    const std::string cell = read(writer.text()).at(1).cells.at(0);
    EXPECT_EQ(std::strtod(cell.c_str(), nullptr), value) << cell;
  }
}

TEST(CsvWriter, UndefinedIsEmptyAndBooleansAreDigits) {
  CsvWriter writer({"a", "b", "c", "d", "e"});
  writer.add(std::optional<double>()).add(true).add(false).add(std::numeric_limits<double>::quiet_NaN());
  writer.add(std::optional<int>(-3)).end_row();
  writer.add(1.0)
      .add(int64_t{1} << 40)
      .add(7)
      .add(std::numeric_limits<double>::infinity())
      .add(0.25)
      .end_row();
  EXPECT_EQ(writer.text(), "a,b,c,d,e\n,1,0,,-3\n1,1099511627776,7,inf,0.25\n");
}

TEST(CsvWriter, IsReadBackByTheReader) {
  const std::vector<std::string> cells = {"", ",", "\"", "\"\"", "\r\n", "a\nb", " x ", "é🙂"};
  CsvWriter writer({"0", "1", "2", "3", "4", "5", "6", "7"});
  for (const auto& cell : cells) writer.add(cell);
  writer.end_row();
  EXPECT_EQ(read(writer.text())[1].cells, cells);
}

}  // namespace
}  // namespace committee
