#include "dataset/helpers.h"

namespace committee::dataset {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Mmlu : public InFolder {
 protected:
  // Both layouts: one subject's file with a header and indices, the other as MMLU's authors have it.
  void write_split(const std::string& split, const std::string& mark) {
    write("data/" + split + "/anatomy_" + split + ".csv",
          "question,choice0,choice1,choice2,choice3,answer\n" + mark + "1,a,b,c,d,3\n\"" + mark +
              "2, \"\"x\"\"\ny\",a,b,c,d,0\n");
    write("data/" + split + "/abstract_algebra_" + split + ".csv",
          mark + "3,\"0, 1\",b,c,d,B\n" + mark + "4,a,b,,d,D\n");
  }
  void SetUp() override {
    InFolder::SetUp();
    write_split("test", "T");
    write_split("dev", "D");
    write("data/README.txt", "not data");
    write("data/test/._anatomy_test.csv", "\xFF");
  }
};

TEST_F(Mmlu, BothLayoutsInTheOrderOfSubjects) {
  const auto data = load({.path = folder_ / "data"});
  EXPECT_THAT(ids(data), ElementsAre("abstract_algebra/0", "abstract_algebra/1", "anatomy/0", "anatomy/1"));
  EXPECT_THAT(domains(data), ElementsAre("STEM-Math", "STEM-Math", "STEM-BioMed", "STEM-BioMed"));
  EXPECT_THAT(data.domains, ElementsAre("STEM-Math", "STEM-BioMed"));
  EXPECT_THAT(data.samples[0].choices, ElementsAre("0, 1", "b", "c", "d"));
  EXPECT_EQ(data.samples[0].answer, 1);
  EXPECT_THAT(data.samples[1].choices, ElementsAre("a", "b", "", "d"));
  EXPECT_EQ(data.samples[2].answer, 3);
  EXPECT_EQ(data.samples[3].text, "T2, \"x\"\ny");
  EXPECT_EQ(data.samples[3].subject, "anatomy");
  EXPECT_EQ(data.where(data.samples[3]), (folder_ / "data/test/anatomy_test.csv").string() + ":3");
  EXPECT_THAT(
      data.warnings,
      ElementsAre("the built-in map of MMLU's subjects: no sample falls in STEM-Physics, STEM-Chemistry, "
                  "CS-Eng, SocSci, Humanities, Lang-Ling, Biz-Law"));
}

TEST_F(Mmlu, SplitsByNameAndAsTheFolderItself) {
  EXPECT_EQ(load({.path = folder_ / "data", .split = "dev"}).samples[2].text, "D1");
  EXPECT_EQ(load({.path = folder_ / "data/test"}).samples[2].text, "T1");
  EXPECT_EQ(load({.path = folder_ / "data/dev"}).samples[2].text, "D1");
  EXPECT_EQ(load({.path = folder_ / "data/dev/"}).samples[2].text, "D1");
  EXPECT_EQ(load({.path = folder_ / "data/dev", .split = "dev"}).samples[2].text, "D1");
  EXPECT_EQ(load({.path = folder_ / "data/dev", .format = Format::kMmlu}).samples[2].text, "D1");
  EXPECT_EQ(refusal({.path = folder_ / "data", .format = Format::kMmlu, .split = "val"}),
            "data: holds no MMLU data: val/SUBJECT_val.csv is looked for");
}

TEST_F(Mmlu, OneSubjectsFile) {
  const auto data = load({.path = folder_ / "data/test/abstract_algebra_test.csv"});
  EXPECT_THAT(ids(data), ElementsAre("abstract_algebra/0", "abstract_algebra/1"));
  EXPECT_EQ(load({.path = folder_ / "data/test/anatomy_test.csv"}).samples[0].domain, "STEM-BioMed");
}

TEST_F(Mmlu, SubjectsOutsideTheMap) {
  write("data/test/sailing_test.csv", "q,a,b,c,d,A\n");
  EXPECT_EQ(refusal({.path = folder_ / "data"}),
            "data/test/sailing_test.csv:1: subject \"sailing\" has no domain in the built-in map of MMLU's "
            "subjects");
  const auto data = load({.path = folder_ / "data", .group_by = "subject"});
  EXPECT_THAT(data.domains, ElementsAre("abstract_algebra", "anatomy", "sailing"));
  EXPECT_TRUE(data.warnings.empty());
}

TEST_F(Mmlu, RefusesBrokenFiles) {
  const auto file = [&](const std::string& text) {
    return refusal({.path = write("m/test/anatomy_test.csv", text).parent_path()});
  };
  EXPECT_EQ(file("q,a,b,c,d,A\nq,a,b,c,d,E\n"),
            "m/test/anatomy_test.csv:2: \"answer\" must be an index from 0 to 3 or a letter from \"A\" to "
            "\"D\", found \"E\"");
  EXPECT_EQ(file("q,a,b,c,d,A\nq,a,b,c,A\n"), "m/test/anatomy_test.csv:2: 5 cells where 6 are due");
  EXPECT_EQ(file("q,a,b,c,d,A\n\" \n\",a,b,c,d,A\n"), "m/test/anatomy_test.csv:2: \"question\" is empty");
  EXPECT_EQ(file("question,choice0,choice1,choice2,choice3,answer\n"),
            "m/test/anatomy_test.csv: holds no samples");
  EXPECT_THAT(
      refusal({.path = write("n/test/anatomy_test.csv", "a,b\n").parent_path(), .format = Format::kMmlu}),
      HasSubstr("n/test/anatomy_test.csv:1: the header names no column"));
}

TEST_F(Mmlu, OtherNumbersOfChoices) {
  const auto data = load({.path = write("two/test/anatomy_test.csv", "q,yes,no,B\n").parent_path()});
  EXPECT_THAT(data.samples[0].choices, ElementsAre("yes", "no"));
}

TEST_F(Mmlu, ColumnsOfTheirOwnGoBeforeTheFilesName) {
  const auto path = write("own/test/anatomy_test.csv",
                          "question,A,B,answer,subject,level\nq,x,y,B,virology,hard\nq,x,y,A,,easy\n");
  const auto data = load({.path = path.parent_path().parent_path()});
  EXPECT_THAT(ids(data), ElementsAre("virology/0", "anatomy/0"));
  EXPECT_EQ(data.samples[0].columns[0].second, "hard");
}

TEST_F(Mmlu, AFolderOfOtherCsvFilesIsNotMmlu) {
  write("other/my_test.csv", "domain,text\nd,t\n");
  EXPECT_THAT(load({.path = folder_ / "other"}).domains, ElementsAre("d"));
  write("other/my_test.csv", "domain,question,A,B\nd,q,x,y\n");
  EXPECT_THAT(load({.path = folder_ / "other"}).domains, ElementsAre("d"));
  EXPECT_THAT(load({.path = folder_ / "other/my_test.csv"}).domains, ElementsAre("d"));
  EXPECT_EQ(refusal("_test.csv", "q,a,b,A\n"), "_test.csv: the file's name holds no subject");
}

}  // namespace
}  // namespace committee::dataset
