#include "dataset/helpers.h"

namespace committee::dataset {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

using Csv = InFolder;

TEST_F(Csv, ChoicesInColumnsOfTheirOwn) {
  for (const char* header :
       {"id,domain,question,choice0,choice1,choice2,answer", "id,domain,question,A,B,C,answer"}) {
    const auto data = load_text(
        "d.csv", std::string(header) + "\n1,d,\"q, \"\"quoted\"\"\",x,y,z,2\n2,e,q,x,y,,A\n3,e,q,x,,z,\n");
    ASSERT_EQ(data.samples.size(), 3u) << header;
    EXPECT_EQ(data.samples[0].text, "q, \"quoted\"");
    EXPECT_THAT(data.samples[0].choices, ElementsAre("x", "y", "z"));
    EXPECT_EQ(data.samples[0].answer, 2);
    EXPECT_THAT(data.samples[1].choices, ElementsAre("x", "y")) << "empty cells at the end are no choices";
    EXPECT_EQ(data.samples[1].answer, 0);
    EXPECT_THAT(data.samples[2].choices, ElementsAre("x", "", "z"));
    EXPECT_EQ(data.samples[2].answer, std::nullopt);
    EXPECT_TRUE(data.samples[0].columns.empty());
  }
}

TEST_F(Csv, ListsAreJson) {
  const auto data = load_text("d.csv",
                              "subject,question,choices,answer,tokens,text\n"
                              "s,q,\"[\"\"x\"\",\"\"y\"\"]\",B,,\n"
                              "s,,,,\"[3, 4]\",\n"
                              "s,,,,,free\n");
  EXPECT_THAT(data.samples[0].choices, ElementsAre("x", "y"));
  EXPECT_EQ(data.samples[0].answer, 1);
  EXPECT_THAT(data.samples[1].tokens, ElementsAre(3, 4));
  EXPECT_EQ(data.samples[2].text, "free");
  EXPECT_THAT(ids(data), ElementsAre("s/0", "s/1", "s/2"));
}

TEST_F(Csv, OtherColumnsAreKeptInOrderAndEmptyCellsAreMissing) {
  const auto data = load_text("d.csv", "zeta,A,domain,text,alpha\n1,x,d,t,2\n,,d,u,\n");
  EXPECT_THAT(data.samples[0].columns, ElementsAre(Pair("zeta", "1"), Pair("A", "x"), Pair("alpha", "2")));
  EXPECT_TRUE(data.samples[1].columns.empty());
}

TEST_F(Csv, RefusesByFileLineFieldAndRule) {
  const std::string head = "domain,question,choice0,choice1,answer\n";
  EXPECT_EQ(refusal("d.csv", head + "d,\"q\n\n\",x,y,0\nd,q,x,y,2\n"),
            "d.csv:5: \"answer\" must be an index from 0 to 1 or a letter from \"A\" to \"B\", found 2");
  EXPECT_EQ(refusal("d.csv", head + "d,q,x,y\n"), "d.csv:2: 4 cells where 5 are due");
  EXPECT_EQ(refusal("d.csv", head + "d,,x,y,0\n"), "d.csv:2: \"question\" is empty");
  EXPECT_EQ(refusal("d.csv", head + ",q,x,y,0\n"), "d.csv:2: a record needs a \"domain\" or a \"subject\"");
  EXPECT_EQ(refusal("d.csv", head + "d,q,x,,0\n"), "d.csv:2: \"choices\" must be 2 to 26, found 1");
  EXPECT_EQ(refusal("d.csv", head + "d,q\xFF,x,y,0\n"), "d.csv:2: invalid UTF-8");
  EXPECT_EQ(refusal("d.csv", "domain,text,tokens\nd,,\n"),
            "d.csv:2: a record needs \"question\" with \"choices\", \"text\" or \"tokens\"");
  EXPECT_THAT(refusal("d.csv", "domain,tokens\nd,1 2\n"), HasSubstr("d.csv:2: not valid JSON: "));
  EXPECT_EQ(refusal("d.csv", "domain,tokens\nd,\"[1,-2]\"\n"),
            "d.csv:2: \"tokens\" must be a list of token ids, found -2 at 1");
  EXPECT_EQ(refusal("d.csv", head), "d.csv: holds no samples");
  EXPECT_EQ(refusal("d.csv", ""), "d.csv: holds no samples");
}

TEST_F(Csv, RefusesHeaders) {
  EXPECT_EQ(refusal("d.csv", "domain,prompt\nd,x\n"),
            "d.csv:1: the header names no column \"question\", \"text\" or \"tokens\"");
  EXPECT_EQ(refusal("d.csv", "domain,text,domain\nd,x,e\n"), "d.csv:1: two columns are called \"domain\"");
  for (const char* header :
       {"domain,question,choice1,choice2,answer", "domain,question,choice0,choice2,answer",
        "domain,question,choice0,choice0,answer"}) {
    EXPECT_THAT(refusal("d.csv", std::string(header) + "\nd,q,x,y,0\n"),
                HasSubstr("d.csv:1: choice columns must be"));
  }
  EXPECT_THAT(refusal("d.csv", "domain,question,choice0,choice1,A,B\nd,q,x,y,x,y\n"),
              HasSubstr("given twice"));
  EXPECT_THAT(refusal("d.csv", "domain,question,choices,A,B\nd,q,[],x,y\n"), HasSubstr("given twice"));
}

}  // namespace
}  // namespace committee::dataset
