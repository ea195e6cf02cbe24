// Help, completion and man pages are made of one flag table: what help lists, the others know.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

#include "cli/tool.h"

namespace committee::cli {
namespace {

std::string said(const std::vector<std::string>& words) {
  const auto outcome = run_tool(words);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return outcome.out;
}

std::set<std::string> matches(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  std::set<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), regex), end; at != end; ++at) found.insert((*at)[1]);
  return found;
}

// The lines of `text` from one that holds `begin` to the next that holds `end`.
std::string part(const std::string& text, const std::string& begin, const std::string& end) {
  const size_t from = text.find(begin);
  if (from == std::string::npos) return "";
  return text.substr(from, text.find(end, from + begin.size()) - from);
}

std::set<std::string> commands() {
  return matches(part(said({"--help"}), "Subcommands:", "\n\n"), "\n  ([a-z]+) ");
}

std::set<std::string> flags_in_help(const std::string& command) {
  std::set<std::string> flags;
  std::istringstream lines(said({command, "--help"}));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("  -")) continue;
    // The names stand before the description, which begins in column 30 or on the next line.
    flags.merge(matches(line.substr(0, 30), "(--[a-z0-9-]+)"));
    if (line.find("  ", 2) == std::string::npos) flags.merge(matches(line, "(--[a-z0-9-]+)"));
  }
  return flags;
}

TEST(FlagTable, EveryFlagOfEveryCommandIsInHelpCompletionAndManual) {
  const std::string bash = said({"completion", "bash"}), zsh = said({"completion", "zsh"}),
                    fish = said({"completion", "fish"});
  const auto names = commands();
  EXPECT_THAT(names, testing::IsSupersetOf({"run", "capture", "audit", "report", "completion", "manual"}));
  for (const auto& command : names) {
    const auto flags = flags_in_help(command);
    EXPECT_TRUE(flags.contains("--help")) << command;
    const std::string manual = said({"manual", command});
    const std::string in_bash = part(bash, "\n    " + command + ")\n", "esac\n") +
                                part(part(bash, "\n    " + command + ")\n", ";;\n    "), "flags='", "'\n");
    const std::string in_zsh = part(zsh, "\n    " + command + ")\n", " ;;\n");
    for (const auto& flag : flags) {
      std::string escaped;
      for (const char c : flag) escaped += c == '-' ? "\\-" : std::string(1, c);
      EXPECT_NE(manual.find("\\fB" + escaped + "\\fR"), std::string::npos) << command << " " << flag;
      EXPECT_TRUE(matches(in_bash, "(" + flag + ")[ ')|]").contains(flag)) << command << " " << flag;
      EXPECT_NE(in_zsh.find("'" + flag + "["), std::string::npos) << command << " " << flag;
      EXPECT_TRUE(matches(fish, "seen_subcommand_from " + command + "'[^\n]* -l (" + flag.substr(2) + ") ")
                      .contains(flag.substr(2)))
          << command << " " << flag;
    }
  }
}

TEST(FlagTable, CompletionOffersTheWordsOfAFlag) {
  EXPECT_THAT(said({"completion", "bash"}),
              testing::HasSubstr("--format) mapfile -t COMPREPLY < <(compgen -W 'auto mmlu jsonl csv'"));
  EXPECT_THAT(said({"completion", "zsh"}), testing::HasSubstr(":(auto mmlu jsonl csv)'"));
  EXPECT_THAT(said({"completion", "fish"}), testing::HasSubstr("-x -a 'auto mmlu jsonl csv'"));
  EXPECT_EQ(run_tool({"completion", "tcsh"}).exit_code, 2);
}

TEST(FlagTable, ManualWritesAPageACommand) {
  const Scratch scratch;
  said({"manual", "-o", scratch / "man"});
  for (const auto& command : commands()) {
    EXPECT_EQ(read_text(scratch / ("man/committee-audit-" + command + ".1")), said({"manual", command}));
  }
  EXPECT_EQ(read_text(scratch / "man/committee-audit.1"), said({"manual"}));
  EXPECT_THAT(run_tool({"manual", "captur"}).err, testing::HasSubstr("did you mean capture?"));
}

}  // namespace
}  // namespace committee::cli
