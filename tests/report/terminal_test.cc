#include "report/terminal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <sstream>

#include "report/narrative.h"
#include "report/sample_audit.h"
#include "report/terminal_table.h"
#include "report/text.h"

namespace committee::report {
namespace {

using testing::HasSubstr;
using testing::Not;

const TerminalStyle kPlain{};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string without_ansi(const std::string& text) {
  return std::regex_replace(text, std::regex("\x1b\\[[0-9;]*m"), "");
}

// The text from a section's heading on.
std::string section(const std::string& text, const std::string& title) {
  const size_t at = text.find("\n" + title);
  EXPECT_NE(at, std::string::npos) << title;
  return at == std::string::npos ? "" : text.substr(at + 1);
}

TEST(TerminalReport, FitsItsWidth) {
  for (const int width : {100, 120, 80}) {
    for (const auto& [layers, experts, k, domains] : {std::array{1, 4, 1, 2}, std::array{6, 32, 4, 9},
                                                      std::array{48, 128, 8, 24}, std::array{26, 64, 6, 9}}) {
      for (const auto baselines : {SampleBaselines::kNone, SampleBaselines::kAll}) {
        const auto result = sample_audit({layers, experts, k, domains, baselines});
        for (const auto& line : lines_of(terminal_report(result, {false, width}))) {
          EXPECT_LE(display_width(line), width) << line;
          EXPECT_FALSE(line.ends_with(' ')) << line;
        }
      }
    }
  }
}

TEST(TerminalReport, ColourIsAllThatColourAdds) {
  const auto result = sample_audit();
  const std::string plain = terminal_report(result, kPlain);
  const std::string coloured = terminal_report(result, {true, 100});
  EXPECT_THAT(plain, Not(HasSubstr("\x1b")));
  EXPECT_THAT(coloured, HasSubstr("\x1b["));
  EXPECT_EQ(without_ansi(coloured), plain);
}

TEST(TerminalReport, ARowALayerBesideItsFloor) {
  auto result = sample_audit();
  auto& layer = result.layers[0];
  layer.committee = {7, 2};
  layer.stable = {{7}};
  layer.core = {2, 7, 11};
  layer.coverage_topk = {0.6625, 0.5, {}, {}};
  layer.coverage_full = {0.3519, 0.125, {}, {}};
  const std::string table = section(terminal_report(result, kPlain), "Committees by layer");
  const auto lines = lines_of(table);
  EXPECT_THAT(lines[2],
              testing::MatchesRegex(
                  "      1  ● committee  7\\* 2 +2 7\\* 11 +(▒)+(█)+(·)+  66\\.2%  50\\.0%  35\\.2%"));
  EXPECT_THAT(lines[3], testing::MatchesRegex("      2  – none       – +– +0\\.0%   0\\.0%   0\\.0%"));
  EXPECT_EQ(lines.size() > 9 && lines[6].find("───") != std::string::npos, true);
  EXPECT_THAT(lines[7], testing::MatchesRegex("    max .*66\\.2%  50\\.0%.*"));
}

TEST(TerminalReport, LongSetsAreShortened) {
  auto result = sample_audit({2, 128, 64, 3, SampleBaselines::kNone});
  result.layers[0].core.clear();
  for (int i = 64; i < 128; ++i) result.layers[0].core.push_back(i);
  EXPECT_THAT(terminal_report(result, kPlain), testing::ContainsRegex("64 65 66 67 68 \\+59"));
}

TEST(TerminalReport, UndefinedIsADash) {
  auto result = sample_audit({2, 8, 2, 1, SampleBaselines::kNone});
  result.layers[0].gini_topk = {};
  result.layers[0].silhouette[0] = {};
  result.layers[1].silhouette[0] = {};
  const std::string text = terminal_report(result, kPlain);
  const auto lines = lines_of(section(text, "What domains share"));
  const auto row =
      std::find_if(lines.begin(), lines.end(), [](const auto& l) { return l.starts_with("      1 "); });
  ASSERT_NE(row, lines.end());
  EXPECT_THAT(*row, testing::MatchesRegex("      1        –    0\\.14       –      –.*–"));
  EXPECT_THAT(text, Not(HasSubstr("nan")));
  EXPECT_THAT(section(text, "Domains"), testing::ContainsRegex("24 +–"));
}

TEST(TerminalReport, WhatWasNotComputedIsNotShown) {
  const auto bare = terminal_report(sample_audit({4, 16, 4, 6, SampleBaselines::kNone}), kPlain);
  EXPECT_THAT(bare, Not(HasSubstr("shuffled")));
  EXPECT_THAT(bare, Not(HasSubstr("stable")));
  auto result = sample_audit({4, 16, 4, 6, SampleBaselines::kNone});
  for (auto& layer : result.layers) {
    layer.routing_entropy = layer.load_entropy = layer.effective_experts = layer.max_over_mean =
        layer.unused = {};
    layer.verdict = {};
  }
  EXPECT_THAT(terminal_report(result, kPlain), Not(HasSubstr("\nLoad\n")));
  EXPECT_THAT(terminal_report(result, kPlain), Not(HasSubstr("verdict")));
  result.layers.clear();
  EXPECT_THAT(terminal_report(result, kPlain), HasSubstr("Committee audit of tiny-olmoe"));
}

TEST(TerminalReport, DataCannotDriveTheTerminal) {
  auto result = sample_audit();
  result.domains[0].name =
      "evil\x1b[2J\x07\xc2\x9b"
      "31m\nname\xff";
  result.model.name = "\x1b]0;owned\x07";
  result.verdict.reason = "a\x1b[31mb";
  result.warnings[0].message = "\x1b[5m";
  result.warnings[0].evidence = Json{{"token", "\x1b[1m"}};
  const std::string text = terminal_report(result, kPlain);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\x07")));
  EXPECT_THAT(text, Not(HasSubstr("\xc2\x9b")));
  EXPECT_THAT(text, HasSubstr("evil?[2J??31m name?"));
}

TEST(TerminalReport, WarningsComeLastWithTheirEvidence) {
  const auto result = sample_audit();
  const std::string text = terminal_report(result, kPlain);
  EXPECT_GT(text.find("2 warnings"), text.find("Domains, most specific first"));
  EXPECT_THAT(text, HasSubstr("same-last-token: samples 159, share 1.0, token 27"));
}

TEST(TerminalReport, FallbackIsMarked) {
  auto result = sample_audit();
  result.layers[1].committee = {3};
  result.layers[1].by_fallback = true;
  EXPECT_THAT(terminal_report(result, kPlain), testing::ContainsRegex("2  – none       3†"));
  EXPECT_THAT(terminal_report(result, kPlain), HasSubstr("† no candidate"));
}

TEST(TerminalReport, ManyDomainsKeepTheEnds) {
  const auto result = sample_audit({3, 16, 4, 57, SampleBaselines::kNone});
  const auto lines = lines_of(section(terminal_report(result, kPlain), "Domains"));
  EXPECT_EQ(lines[10], "  … 41 more in specificity.csv");
  EXPECT_EQ(lines[19], "");
}

TEST(TerminalComparison, AColumnAnAudit) {
  auto last = sample_audit(), content = sample_audit({4, 16, 6, 6, SampleBaselines::kAll});
  content.positions = "content";
  const LabelledAudit both[] = {{"last token", last}, {"content\x1b tokens", content}};
  const std::string text = terminal_comparison(both, kPlain);
  const auto lines = lines_of(text);
  EXPECT_THAT(lines[1], testing::MatchesRegex(" +last token +content\\? tokens"));
  EXPECT_THAT(text, testing::ContainsRegex("positions +last prompt token +content tokens"));
  EXPECT_THAT(text, testing::ContainsRegex("committee +2 in 3/4 layers +2 in 3/4 layers"));
  EXPECT_THAT(text,
              testing::ContainsRegex("coverage of the top k .floor. +[0-9.]+% .50.0%. +[0-9.]+% .33.3%."));
  for (const auto& line : lines) EXPECT_LE(display_width(line), 100);
  const auto bare = sample_audit({4, 16, 4, 6, SampleBaselines::kNone});
  const LabelledAudit one[] = {{"only", bare}};
  EXPECT_THAT(terminal_comparison(one, kPlain), Not(HasSubstr("shuffled")));
}

TEST(Narrative, SaysWhatIsCommitteeAndWhatIsArithmetic) {
  auto result = sample_audit();
  for (auto& layer : result.layers) {
    layer.coverage_topk =
        layer.committee.empty() ? audit::Figure{0.0, 0.0, {}, {}} : audit::Figure{0.625, 0.5, {}, {}};
  }
  const auto sentences = answer(result);
  ASSERT_EQ(sentences.size(), 3u);
  EXPECT_EQ(sentences[0], result.verdict.reason);
  EXPECT_EQ(sentences[1],
            "In 3 of 4 layers the same 3 experts stand in the top 4 of at least 80% of the 6 domains (the "
            "core); the "
            "Pareto front of their ranks keeps 2 (the committee).");
  EXPECT_THAT(sentences[2],
              HasSubstr("Where there is a committee, it takes 62.5% of the top-4 routing mass, where as "
                        "many equal members of one shared top 4 take 50.0%: 12.5 points are more than "
                        "arithmetic."));
  for (auto& layer : result.layers) {
    layer.core.clear();
    layer.committee.clear();
  }
  EXPECT_THAT(answer(result)[1],
              HasSubstr("In all 4 layers no expert stands in the top 4 of 80% of the 6 domains"));
}

TEST(Narrative, SharingFollowsFromTheShuffledValues) {
  auto result = sample_audit();
  for (auto& layer : result.layers) layer.jaccard_mean.permuted->low = 2;
  EXPECT_THAT(sharing_sentence(result), HasSubstr("so domains do route apart in all 4 layers."));
  for (auto& layer : result.layers) layer.jaccard_mean.permuted->low = -1;
  EXPECT_THAT(sharing_sentence(result), HasSubstr("so domains share as much as any split"));
  for (auto& layer : result.layers) layer.jaccard_mean = {};
  EXPECT_EQ(sharing_sentence(result), "");
}

TEST(ShareBar, ShadesUpToTheFloor) {
  const auto bar = [](std::optional<double> share, std::optional<double> floor) {
    const Cell cell = share_bar(share, floor, 10);
    return cell.text + "|" + cell.tail;
  };
  EXPECT_EQ(bar(0.7, 0.5), "▒▒▒▒▒██|···");
  EXPECT_EQ(bar(0.3, 0.5), "▒▒▒|·╎·····");
  EXPECT_EQ(bar(0.5, 0.5), "▒▒▒▒▒|·····");
  EXPECT_EQ(bar(1.0, {}), "██████████|");
  EXPECT_EQ(bar(0.0, 1.0), "|·········╎");
  EXPECT_EQ(bar({}, 0.5), "|");
  EXPECT_EQ(bar(7.0, -3.0), "██████████|");
}

TEST(Sparkline, ScalesAndAverages) {
  EXPECT_EQ(sparkline({0.0, 1.0, 0.5, std::nullopt}, 10), "▁█▅·");
  EXPECT_EQ(sparkline({0.0, 0.0, 1.0, 1.0}, 2), "▁█");
  EXPECT_EQ(sparkline({3.0, 3.0}, 10), "▅▅");
  EXPECT_EQ(sparkline({0.0, 1.0}, 10, audit::Interval{0, 7}), "▁▂");
  EXPECT_EQ(sparkline({std::nullopt}, 10), "·");
  EXPECT_EQ(sparkline({}, 10), "");
}

TEST(Text, WidthsAreColumns) {
  EXPECT_EQ(display_width("añ–"), 3);
  EXPECT_EQ(display_width("数学"), 4);
  EXPECT_EQ(display_width("e\xCC\x81"), 1);
  EXPECT_EQ(clip("数学物理", 5), "数学…");
  EXPECT_EQ(clip("abc", 3), "abc");
  EXPECT_EQ(clip("abcd", 3), "ab…");
  EXPECT_EQ(pad("数", 4, Align::kRight), "  数");
  EXPECT_EQ(wrap("one two  three", 7), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrap("", 7), std::vector<std::string>{});
  EXPECT_EQ(wrap("a verylongword b", 4), (std::vector<std::string>{"a", "verylongword", "b"}));
}

TEST(Text, SetsAndCounts) {
  EXPECT_EQ(short_set({}, 10), "–");
  EXPECT_EQ(short_set({7, 12}, 4), "7 12");
  EXPECT_EQ(short_set({7, 12, 13}, 7), "7 12 13");
  EXPECT_EQ(short_set({7, 12, 13, 14}, 7), "7 12 +2");
  EXPECT_EQ(short_set({107, 112, 113}, 3), "107 +2");
  EXPECT_EQ(short_set({7, 12}, 10, {12}), "7 12*");
  EXPECT_EQ(counted(1, "layer"), "one layer");
  EXPECT_EQ(counted(14042, "sample"), "14,042 samples");
  EXPECT_EQ(grouped_digits(-1234567), "-1,234,567");
  EXPECT_EQ(grouped_digits(-123), "-123");
}

}  // namespace
}  // namespace committee::report
