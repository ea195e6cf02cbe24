#include "dataset/domains.h"

#include <map>

#include "dataset/helpers.h"
#include "dataset/text.h"
#include "paths.h"

namespace committee::dataset {
namespace {

using testing::ElementsAre;

TEST(Strip, TakesWhatPythonTakesForWhiteSpace) {
  for (const char* space : {"\t",     "\n",     "\v",     "\f",     "\r",     "\x1c",   "\x1d",
                            "\x1e",   "\x1f",   " ",      "\u0085", "\u00a0", "\u1680", "\u2000",
                            "\u2005", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"}) {
    const std::string s = space;
    EXPECT_EQ(strip(fmt::format("{0}{0}a{0}b{0}", s)), fmt::format("a{}b", s));
    EXPECT_EQ(strip(s), "");
  }
  for (const char* other : {"\u200b", "\ufeff", "\u180e", "\x1b", "\u00ad", "\x7f", "é"}) {
    EXPECT_EQ(strip(other), other);
  }
  EXPECT_EQ(strip(""), "");
}

TEST(DomainMap, TheBuiltInOneKnows57SubjectsInNineDomains) {
  const auto& map = DomainMap::mmlu();
  EXPECT_THAT(map.domains(), ElementsAre("STEM-Math", "STEM-Physics", "STEM-Chemistry", "STEM-BioMed",
                                         "CS-Eng", "SocSci", "Humanities", "Lang-Ling", "Biz-Law"));
  EXPECT_EQ(*map.find("abstract_algebra"), "STEM-Math");
  EXPECT_EQ(*map.find("international_law"), "Biz-Law");
  EXPECT_EQ(map.find("sailing"), nullptr);
  int subjects = 0;
  std::istringstream lines(kMmluDomains);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.starts_with('#') || line == "subject,domain") continue;
    ++subjects;
    EXPECT_NE(map.find(line.substr(0, line.find(','))), nullptr) << line;
  }
  EXPECT_EQ(subjects, 57);
}

TEST(DomainMap, TheGroupsOfMmlusAuthorsHoldTheSame57Subjects) {
  const auto folder = std::filesystem::path(paths::kSource) / "data/domains";
  for (const auto& [file, groups] :
       std::map<std::string, size_t>{{"mmlu-subcategories.csv", 17}, {"mmlu-categories.csv", 4}}) {
    const auto map = DomainMap::read(folder / file);
    EXPECT_EQ(map.domains().size(), groups);
    std::istringstream lines(kMmluDomains);
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line.starts_with('#') || line == "subject,domain") continue;
      EXPECT_NE(map.find(line.substr(0, line.find(','))), nullptr) << file << ": " << line;
    }
  }
}

TEST(DomainMap, CsvWithAndWithoutHeader) {
  for (const char* text :
       {"subject,domain\na,X\nb,Y\n", "a,X\nb,Y\n", "# note\na,X\n#,\nb,Y",
        "domain,note,subject\nX,,a\nY,\"why, so\",b\n", "subject,domain\r\na,X\r\nb,Y\r\n"}) {
    const auto map = DomainMap::parse_csv(text, "m.csv");
    ASSERT_NE(map.find("a"), nullptr) << text;
    EXPECT_EQ(*map.find("a"), "X") << text;
    EXPECT_EQ(*map.find("b"), "Y") << text;
    EXPECT_THAT(map.domains(), ElementsAre("X", "Y"));
    EXPECT_EQ(map.find("subject"), nullptr);
  }
}

TEST(DomainMap, Refusals) {
  const auto refusal = [](const std::string& text, bool json) {
    try {
      json ? DomainMap::parse_json(text, "m") : DomainMap::parse_csv(text, "m");
    } catch (const Error& problem) {
      return std::string(problem.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(refusal("# c\nsubject,domain\na,X\n\na,Y\n", false),
            "m:5: subject \"a\" is mapped twice, first at m:3");
  EXPECT_EQ(refusal("a,X\nb,\n", false), "m:2: the domain of \"b\" is empty");
  EXPECT_EQ(refusal("a,X\n,Y\n", false), "m:2: the subject is empty");
  EXPECT_EQ(refusal("a,X,z\n", false), "m:1: 3 cells where 2 are due");
  EXPECT_EQ(refusal("subject,domain\n", false), "m: maps no subject to a domain");
  EXPECT_EQ(refusal("# nothing\n", false), "m: maps no subject to a domain");
  EXPECT_EQ(refusal("{}", true), "m: maps no subject to a domain");
  EXPECT_EQ(refusal(R"({"a": 1})", true), "m: the domain of \"a\" must be a string, found number");
  EXPECT_EQ(refusal(R"({"a": ""})", true), "m: the domain of \"a\" is empty");
  EXPECT_EQ(refusal("[]", true), "m: must hold a JSON object, found array");
}

using DomainFile = InFolder;

TEST_F(DomainFile, IsCsvOrJsonByItsContent) {
  EXPECT_EQ(*DomainMap::read(write("m", "\xEF\xBB\xBF# c\na,X\n")).find("a"), "X");
  EXPECT_EQ(*DomainMap::read(write("m", "\xEF\xBB\xBF\n {\"a\": \"X\"}")).find("a"), "X");
  EXPECT_THROW(DomainMap::read(folder_ / "absent"), Error);
}

}  // namespace
}  // namespace committee::dataset
