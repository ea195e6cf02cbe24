#include <algorithm>
#include <set>

#include "dataset/helpers.h"

namespace committee::dataset {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Load : public InFolder {
 protected:
  // `count` free texts of a domain, with ids NAME-0, NAME-1, …
  static std::string texts(const std::string& domain, int count) {
    std::string lines;
    for (int i = 0; i < count; ++i) {
      lines += fmt::format(R"({{"id":"{0}-{1}","domain":"{0}","text":"t","parity":"{2}"}})", domain, i,
                           i % 2 ? "odd" : "even") +
               '\n';
    }
    return lines;
  }

  std::vector<std::string> limited(const std::string& text, int64_t limit, uint64_t seed) const {
    return ids(load({.path = write("limited.jsonl", text), .limit = limit, .seed = seed}));
  }
};

std::vector<std::string> of_domain(const std::vector<std::string>& ids, const std::string& domain) {
  std::vector<std::string> some;
  std::copy_if(ids.begin(), ids.end(), std::back_inserter(some),
               [&](const auto& id) { return id.starts_with(domain + "-"); });
  return some;
}

TEST_F(Load, AFolderOfFilesByName) {
  write("f/b.jsonl", R"({"domain":"d","text":"2"})");
  write("f/a.csv", "domain,text\nd,1\n");
  write("f/c.ndjson", R"({"domain":"d","text":"3"})");
  write("f/notes.txt", "no data");
  const auto data = load({.path = folder_ / "f"});
  EXPECT_THAT(ids(data), ElementsAre("d/0", "d/1", "d/2"));
  EXPECT_EQ(data.samples[2].text, "3");
  EXPECT_EQ(data.samples[2].file, 2);
  EXPECT_EQ(load({.path = folder_ / "f", .format = Format::kCsv}).samples.size(), 1u);
  EXPECT_EQ(load({.path = folder_ / "f", .format = Format::kJsonl}).samples.size(), 2u);
  write("f/z.jsonl", "\n");
  EXPECT_EQ(refusal({.path = folder_ / "f"}), "f/z.jsonl: holds no samples");
}

TEST_F(Load, FormatsByNameAndContent) {
  EXPECT_EQ(load_text("noname", "\n {\"domain\":\"d\",\"text\":\"t\"}").samples.size(), 1u);
  EXPECT_EQ(load({.path = write("rows.txt", "domain,text\nd,t\n"), .format = Format::kCsv}).samples.size(),
            1u);
  EXPECT_EQ(refusal("rows.txt", "domain,text\nd,t\n"),
            "rows.txt: its format is not to be seen from name or content; --format names it");
  EXPECT_EQ(format_named("jsonl"), Format::kJsonl);
  EXPECT_EQ(format_named("auto"), Format::kAuto);
  EXPECT_THROW(format_named("xml"), Error);
  EXPECT_EQ(refusal({.path = folder_ / "absent"}), "absent: no such file or folder");
  std::filesystem::create_directories(folder_ / "empty");
  EXPECT_EQ(
      refusal({.path = folder_ / "empty"}),
      "empty: holds no data: test/SUBJECT_test.csv, *.jsonl and *.csv are looked for, as --format allows");
}

TEST_F(Load, IdsAreMadeBySubject) {
  const auto data = load_text("d.jsonl", R"({"subject":"s","domain":"d","text":"t"})"
                                         "\n"
                                         R"({"domain":"d","text":"t"})"
                                         "\n"
                                         R"({"subject":"s","text":"t","id":"mine"})"
                                         "\n"
                                         R"({"subject":"s","text":"t"})");
  EXPECT_THAT(ids(data), ElementsAre("s/0", "d/0", "mine", "s/1"));
  EXPECT_THAT(domains(data), ElementsAre("d", "d", "s", "s")) << "its domain, else its subject";
  EXPECT_EQ(data.samples[1].subject, "d");
  EXPECT_THAT(refusal("e.jsonl", R"({"subject":"s","text":"t","id":"s/0"})"
                                 "\n"
                                 R"({"subject":"s","text":"t"})"),
              HasSubstr("e.jsonl:2: id \"s/0\" is used twice"));
}

TEST_F(Load, AMapOfTheUsersOwn) {
  const auto path = write("d.jsonl", R"({"subject":"s","domain":"own","text":"t"})"
                                     "\n"
                                     R"({"subject":"u","text":"t"})"
                                     "\n"
                                     R"({"domain":"pooled","text":"t"})"
                                     "\n"
                                     R"({"domain":"kept","text":"t"})");
  const auto map =
      write("map.csv", "# a comment, \"with a quote\nsubject,domain\n\ns,One\nu,Two\npooled,One\nx,Three\n");
  const auto data = load({.path = path, .domains = map});
  EXPECT_THAT(domains(data), ElementsAre("One", "Two", "One", "kept"));
  EXPECT_THAT(data.domains, ElementsAre("One", "Two", "kept"));
  EXPECT_THAT(data.warnings, ElementsAre(map.string() + ": no sample falls in Three"));
  write("map.csv", "subject,domain\ns,One\n");
  EXPECT_EQ(refusal({.path = path, .domains = map}), "d.jsonl:2: subject \"u\" has no domain in map.csv");
  EXPECT_EQ(refusal({.path = path, .domains = map, .group_by = "lang"}),
            "a map of domains and grouping by \"lang\" exclude each other");
}

TEST_F(Load, AMapReplacesMmlusOwn) {
  const auto path = write("test/anatomy_test.csv", "q,a,b,c,d,A\n");
  const auto map = write("map.json", R"({"anatomy": "Bodies"})");
  const auto data = load({.path = folder_, .format = Format::kMmlu, .domains = map});
  EXPECT_THAT(data.domains, ElementsAre("Bodies"));
  EXPECT_TRUE(data.warnings.empty());
}

TEST_F(Load, GroupsByAnyColumn) {
  const auto path = write("d.jsonl", texts("x", 3));
  EXPECT_THAT(domains(load({.path = path, .group_by = "parity"})), ElementsAre("even", "odd", "even"));
  EXPECT_THAT(ids(load({.path = path, .group_by = "parity"})), ElementsAre("x-0", "x-1", "x-2"));
  EXPECT_THAT(domains(load({.path = path, .group_by = "domain"})), ElementsAre("x", "x", "x"));
  EXPECT_EQ(load({.path = path, .group_by = "parity"}).samples[1].subject, "x");
  EXPECT_EQ(refusal({.path = path, .group_by = "lang"}),
            "d.jsonl:1: a record needs a \"lang\" to be grouped by");
  EXPECT_EQ(refusal({.path = path, .group_by = "subject"}),
            "d.jsonl:1: a record needs a \"subject\" to be grouped by");

  const auto bare = write("bare.csv", "text,lang\nt,de\nu,fr\nv,\n");
  EXPECT_EQ(refusal({.path = bare, .group_by = "lang"}),
            "bare.csv:4: a record needs a \"lang\" to be grouped by");
  write("bare.csv", "text,lang\nt,de\nu,fr\nv,de\n");
  EXPECT_THAT(ids(load({.path = bare, .group_by = "lang"})), ElementsAre("de/0", "fr/0", "de/1"));

  const auto choices = write("mc.csv", "domain,question,A,B,answer\nd,q,x,y,1\nd,r,x,y,A\n");
  EXPECT_THAT(domains(load({.path = choices, .group_by = "answer"})), ElementsAre("B", "A"));
}

TEST_F(Load, ALimitTakesThatManyOfEachDomainInOrder) {
  const auto some = limited(texts("a", 50) + texts("b", 3), 10, 1);
  EXPECT_EQ(of_domain(some, "a").size(), 10u);
  EXPECT_THAT(of_domain(some, "b"), ElementsAre("b-0", "b-1", "b-2"));
  EXPECT_EQ(some.size(), 13u);
  std::vector<int> numbers;
  for (const auto& id : of_domain(some, "a")) numbers.push_back(std::stoi(id.substr(2)));
  EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
}

TEST_F(Load, ALimitIsReproducibleAndStable) {
  const auto some = limited(texts("a", 50), 10, 1);
  EXPECT_EQ(limited(texts("a", 50), 10, 1), some);
  EXPECT_NE(limited(texts("a", 50), 10, 2), some) << "another seed, other samples";
  EXPECT_EQ(of_domain(limited(texts("b", 20) + texts("a", 50) + texts("c", 5), 10, 1), "a"), some)
      << "other domains change nothing";
  const auto fewer = limited(texts("a", 50), 4, 1);
  EXPECT_TRUE(std::includes(
      some.begin(), some.end(), fewer.begin(), fewer.end(),
      [&](const auto& x, const auto& y) { return std::stoi(x.substr(2)) < std::stoi(y.substr(2)); }))
      << "a smaller limit takes some of them";
  EXPECT_EQ(limited(texts("a", 50), 100, 1).size(), 50u);
}

TEST_F(Load, ALimitDrawsEverySampleAlike) {
  std::vector<int> drawn(20);
  const auto path = write("d.jsonl", texts("a", 20));
  for (uint64_t seed = 0; seed < 200; ++seed) {
    for (const auto& id : ids(load({.path = path, .limit = 5, .seed = seed})))
      ++drawn[static_cast<size_t>(std::stoi(id.substr(2)))];
  }
  // 50 expected of each, with a standard deviation of about 6.
  EXPECT_GT(*std::min_element(drawn.begin(), drawn.end()), 25);
  EXPECT_LT(*std::max_element(drawn.begin(), drawn.end()), 75);
}

TEST_F(Load, RoundsAreBalancedAndGrowLikeLimits) {
  const std::string text = texts("a", 9) + texts("b", 4);
  const Dataset data = load({.path = write("rounds.jsonl", text), .round = 3, .seed = 1});
  EXPECT_THAT(data.rounds, ElementsAre(6, 10, 13));
  for (size_t round = 0; round < 3; ++round) {
    auto first = ids(data);
    first.resize(static_cast<size_t>(data.rounds[round]));
    auto limit = limited(text, 3 * (static_cast<int64_t>(round) + 1), 1);
    std::sort(first.begin(), first.end());
    std::sort(limit.begin(), limit.end());
    EXPECT_EQ(first, limit) << "the rounds so far are what a limit takes";
  }
  EXPECT_THAT(refusal({.path = write("rounds.jsonl", text), .round = 0}), HasSubstr("a round of 0"));
}

TEST_F(Load, TheSameSamplesForASeedForever) {
  EXPECT_THAT(limited(texts("a", 30), 3, 7), ElementsAre("a-5", "a-26", "a-28"));
}

TEST_F(Load, WhatALimitLeavesOutIsStillChecked) {
  EXPECT_THAT(refusal({.path = write("d.jsonl", texts("a", 30) + texts("a", 1)), .limit = 1}),
              HasSubstr("d.jsonl:31: id \"a-0\" is used twice, first at d.jsonl:1"));
  for (const int64_t limit : {0, -1}) {
    EXPECT_THAT(refusal({.path = write("d.jsonl", texts("a", 3)), .limit = limit}),
                HasSubstr("an empty domain"));
  }
}

}  // namespace
}  // namespace committee::dataset
