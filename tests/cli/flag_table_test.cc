// Help, completion and man pages are made of one flag table: what help lists, the others know.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

#include "cli/completion.h"
#include "cli/flags.h"
#include "cli/manual.h"
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

// From `begin` to the next `end`.
std::string part(const std::string& text, const std::string& begin, const std::string& end) {
  const size_t from = text.find(begin);
  if (from == std::string::npos) return "";
  return text.substr(from, text.find(end, from + begin.size()) - from);
}

// What bash offers after "committee-audit WORDS", for each of the lists of words; one bash for all.
std::vector<std::set<std::string>> bash_offers(const Scratch& scratch, const std::string& completion,
                                               const std::vector<std::string>& lists) {
  std::string script = completion;
  for (const auto& words : lists) {
    script += "COMP_WORDS=(committee-audit " + words + "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n";
    script += "_committee_audit; printf '%s\\n' \"${COMPREPLY[@]}\" /\n";
  }
  const auto outcome = run_program({"/bin/bash", "--norc", scratch.file("completion", script)});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  std::vector<std::set<std::string>> offers(1);
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) {
    if (line == "/") {
      offers.emplace_back();
    } else if (!line.empty()) {
      offers.back().insert(line);
    }
  }
  offers.resize(lists.size());
  return offers;
}

std::set<std::string> commands() {
  return matches(part(said({"--help"}), "Subcommands:", "\n\n"), "\n  ([a-z]+) ");
}

std::set<std::string> flags_in_help(const std::string& command) {
  std::set<std::string> flags;
  std::istringstream lines(said({command, "--help"}));
  for (std::string line; std::getline(lines, line);) {
    line.erase(0, line.find_first_not_of(' '));
    // The names stand before the description, two spaces from it or on a line of their own.
    if (line.starts_with("-")) flags.merge(matches(line.substr(0, line.find("  ")), "(--[a-z0-9-]+)"));
  }
  return flags;
}

TEST(FlagTable, EveryFlagOfEveryCommandIsInHelpCompletionAndManual) {
  const Scratch scratch;
  const std::string bash = said({"completion", "bash"}), zsh = said({"completion", "zsh"}),
                    fish = said({"completion", "fish"});
  said({"manual", "-o", scratch / "man"});
  const auto names = commands();
  EXPECT_THAT(names, testing::IsSupersetOf({"run", "capture", "audit", "report", "completion", "manual"}));
  std::vector<std::string> lists;
  for (const auto& command : names) lists.push_back(command + " --");
  const auto offers = bash_offers(scratch, bash, lists);
  size_t at = 0;
  for (const auto& command : names) {
    const auto flags = flags_in_help(command);
    EXPECT_TRUE(flags.contains("--help")) << command;
    EXPECT_EQ(offers[at++], flags) << command;
    const std::string manual = read_text(scratch / ("man/committee-audit-" + command + ".1"));
    const std::string in_zsh = part(zsh, "\n    " + command + ")\n", " ;;\n");
    for (const auto& flag : flags) {
      std::string escaped;
      for (const char c : flag) escaped += c == '-' ? "\\-" : std::string(1, c);
      EXPECT_NE(manual.find("\\fB" + escaped + "\\fR"), std::string::npos) << command << " " << flag;
      EXPECT_NE(in_zsh.find("'" + flag + "["), std::string::npos) << command << " " << flag;
      EXPECT_TRUE(matches(fish, "seen_subcommand_from " + command + "'[^\n]* -l (" + flag.substr(2) + ") ")
                      .contains(flag.substr(2)))
          << command << " " << flag;
    }
  }
}

// A flag is stated once: one that is added to a command is in all that is made of the table.
TEST(FlagTable, AFlagAddedInOnePlaceIsEverywhere) {
  CLI::App app{"", "committee-audit"};
  app.formatter(std::make_shared<HelpFormatter>());
  std::string value;
  CLI::App* command = app.add_subcommand("probe", "A command");
  command->add_option("--brand-new", value, "Says which (old)")->check(one_of({"old", "odd"}));
  EXPECT_THAT(command->help(), testing::ContainsRegex("--brand-new NAME +Says which"));
  const auto table = command_table(app);
  EXPECT_THAT(completion(table, "bash"),
              testing::HasSubstr("--brand-new) mapfile -t COMPREPLY < <(compgen -W 'old odd'"));
  EXPECT_THAT(completion(table, "zsh"), testing::HasSubstr("'--brand-new[Says which (old)]:NAME:(old odd)'"));
  EXPECT_THAT(completion(table, "fish"),
              testing::HasSubstr("-l brand-new -x -a 'old odd' -d 'Says which (old)'"));
  EXPECT_THAT(manual_page(app, "probe"),
              testing::HasSubstr("\\fB\\-\\-brand\\-new\\fR \\fINAME\\fR\nSays which (old)"));
  EXPECT_EQ(manual_json(app)["commands"][0]["flags"].back()["names"][0], "--brand-new");
}

TEST(FlagTable, BashOffersCommandsWordsAndFiles) {
  const Scratch scratch;
  const auto offers = bash_offers(
      scratch, said({"completion", "bash"}),
      {"ca", "run x --format m", "import --from h", "completion f", "report " + (scratch / "comp").string()});
  EXPECT_THAT(offers[0], testing::ElementsAre("capture"));
  EXPECT_THAT(offers[1], testing::ElementsAre("mmlu"));
  EXPECT_THAT(offers[2], testing::ElementsAre("hf"));
  EXPECT_THAT(offers[3], testing::ElementsAre("fish"));
  EXPECT_THAT(offers[4], testing::ElementsAre((scratch / "completion").string()));
  EXPECT_EQ(run_tool({"completion", "tcsh"}).exit_code, 2);
}

TEST(FlagTable, ManualWritesAPageACommand) {
  const Scratch scratch;
  said({"manual", "-o", scratch / "man"});
  for (const auto& command : commands()) {
    EXPECT_FALSE(read_text(scratch / ("man/committee-audit-" + command + ".1")).empty()) << command;
  }
  EXPECT_EQ(read_text(scratch / "man/committee-audit.1"), said({"manual"}));
  EXPECT_EQ(read_text(scratch / "man/committee-audit-run.1"), said({"manual", "run"}));
  EXPECT_THAT(run_tool({"manual", "captur"}).err, testing::HasSubstr("did you mean capture?"));
}

}  // namespace
}  // namespace committee::cli
