// The commands in README.md and docs/ are run, or, where a block says why not, held against the flag table.
//
//   ```sh                  run, in a folder of the page with demo/, build/committee-audit, mmlu/ and out/
//   ```sh no-run REASON    not run: commands, flags and files that they name must exist
//   ```text and others     no commands

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "base/json.h"
#include "cli/tool.h"
#include "paths.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = paths::kSource;

struct Block {
  std::string fence;  // what stands behind the backquotes
  std::string text;
  int line = 0;
};

// The fenced blocks. Fails on an indented one, which would be neither run nor checked.
std::vector<Block> blocks_of(const fs::path& page) {
  std::vector<Block> blocks;
  std::istringstream lines(read_text(page));
  bool inside = false, after_blank = true;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::string bare = line.substr(std::min(line.find_first_not_of(' '), line.size()));
    if (bare.starts_with("```")) {
      inside = !inside;
      if (inside) blocks.push_back({bare.substr(3), "", number});
    } else if (inside) {
      blocks.back().text += line + "\n";
    } else if (after_blank && line.starts_with("    ") && !bare.empty()) {
      ADD_FAILURE() << page << ":" << number << ": write an indented block as ```sh or ```text";
    }
    after_blank = line.empty();
  }
  EXPECT_FALSE(inside) << page << ": a fence is not closed";
  return blocks;
}

std::vector<fs::path> pages() {
  std::vector<fs::path> found = {kRoot / "README.md"};
  for (const auto& entry : fs::directory_iterator(kRoot / "docs")) {
    if (entry.path().extension() == ".md") found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool is_run(const Block& block) { return block.fence == "sh"; }
bool is_checked(const Block& block) { return block.fence.starts_with("sh no-run "); }

using FlagTable = std::map<std::string, std::set<std::string>>;  // command → flags

const FlagTable& flag_table() {
  static const FlagTable table = [] {
    FlagTable flags;
    const Json document = parse_json(run_tool({"manual", "--json"}).out, "manual --json");
    for (const auto& command : document.at("commands")) {
      auto& names = flags[command.at("name")];
      for (const auto& flag : command.at("flags")) {
        for (const auto& name : flag.at("names")) names.insert(name.get<std::string>());
      }
    }
    return flags;
  }();
  return table;
}

// Commands, a line each: continued lines are joined, comments, prompts and brackets of a synopsis are gone.
std::vector<std::vector<std::string>> commands_in(std::string text) {
  text = std::regex_replace(text, std::regex("\\\\\n"), " ");
  std::vector<std::vector<std::string>> commands;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    line = std::regex_replace(line, std::regex("(^|\\s)#.*|[\\[\\]$]"), " ");
    std::istringstream words(line);
    std::vector<std::string> command;
    for (std::string word; words >> word;) command.push_back(word);
    if (!command.empty()) commands.push_back(std::move(command));
  }
  return commands;
}

// What is wrong with a command line that is not run, or "".
std::string objection(const std::vector<std::string>& words) {
  if (words[0] == "make" && words.size() > 1 && words[1].find('=') == std::string::npos) {
    const std::string rule = "\n" + words[1] + ":";
    return read_text(kRoot / "Makefile").find(rule) == std::string::npos ? "no such target: " + words[1] : "";
  }
  const std::regex own("(tools|bench|tests|fuzz)/.*");
  if (std::regex_match(words[0], own)) return fs::exists(kRoot / words[0]) ? "" : "no such file: " + words[0];
  // The program is the first word, or follows a launcher; elsewhere it is another program's argument.
  const auto is_program = [](const std::string& word) {
    return word == "committee-audit" || word.ends_with("/committee-audit");
  };
  const bool launched = words[0] == "mpirun" || words[0] == "srun";
  if (!launched && !is_program(words[0])) return "";
  const auto program = std::find_if(words.begin(), words.end(), is_program);
  if (program == words.end() || program + 1 == words.end()) return "";
  const auto command = flag_table().find(*(program + 1));
  if ((program + 1)->starts_with("-")) return "";
  if (command == flag_table().end()) return "no such command: " + *(program + 1);
  for (auto word = program + 2; word != words.end(); ++word) {
    if (*word == "|" || *word == ">" || *word == ";" || *word == "&&") break;
    const std::string flag = word->substr(0, word->find_first_of("=,|"));
    if (flag.starts_with("-") && !command->second.contains(flag)) return "no such flag: " + flag;
  }
  return "";
}

TEST(Docs, FencesAreOfAKnownKind) {
  const std::set<std::string> quiet = {"text", "json", "cpp", "cmake", "csv"};
  for (const auto& page : pages()) {
    for (const auto& block : blocks_of(page)) {
      EXPECT_TRUE(quiet.contains(block.fence) || is_run(block) || is_checked(block))
          << page << ":" << block.line << ": ```" << block.fence;
    }
  }
}

TEST(Docs, CommandsAndFlagsThatAreNamedExist) {
  int checked = 0;
  for (const auto& page : pages()) {
    for (const auto& block : blocks_of(page)) {
      if (!is_run(block) && !is_checked(block)) continue;
      for (const auto& words : commands_in(block.text)) {
        EXPECT_EQ(objection(words), "") << page << ":" << block.line;
        ++checked;
      }
    }
  }
  EXPECT_GT(checked, 10);
}

TEST(Docs, TheCheckSeesWhatIsWrong) {
  EXPECT_EQ(objection({"make", "nothing"}), "no such target: nothing");
  EXPECT_EQ(objection({"tools/nothing"}), "no such file: tools/nothing");
  EXPECT_EQ(objection({"build/committee-audit", "captur"}), "no such command: captur");
  EXPECT_EQ(objection({"mpirun", "-n", "4", "committee-audit", "audit", "T", "--bootstrp=3"}),
            "no such flag: --bootstrp");
  EXPECT_EQ(objection({"committee-audit", "audit", "T", "-o", "A", "--seed", "3"}), "");
}

// Every `--flag` in the prose belongs to some command, or to another program that is named here.
TEST(Docs, FlagsInTheProseExist) {
  std::set<std::string> known = {"--init-expert-location", "--bind-to", "--map-by"};
  for (const auto& [command, flags] : flag_table()) known.insert(flags.begin(), flags.end());
  const std::regex code("`(--[a-z][a-z0-9-]+)[^`]*`");
  for (const auto& page : pages()) {
    const std::string text = read_text(page);
    for (std::sregex_iterator at(text.begin(), text.end(), code), end; at != end; ++at) {
      EXPECT_TRUE(known.contains((*at)[1])) << page << ": " << (*at)[1];
    }
  }
}

// A folder in which the blocks of a page are run: the repository's demo, a small folder in MMLU's layout, and
// out/, what `run` leaves.
class Workplace {
 public:
  Workplace() {
    fs::create_directories(scratch_ / "bin");
    fs::create_symlink(fs::path(paths::kBinary), scratch_ / "bin/committee-audit");
    fs::create_directories(scratch_ / "mmlu/test");
    fs::create_directories(scratch_ / "mmlu/dev");
    for (const auto& entry : fs::directory_iterator(kRoot / "tests/fixtures/dataset/prompts/dev")) {
      std::string name = entry.path().filename();
      fs::copy_file(entry.path(), scratch_ / ("mmlu/dev/" + name));
      name.replace(name.find("_dev"), 4, "_test");
      fs::copy_file(entry.path(), scratch_ / ("mmlu/test/" + name));
    }
    const auto outcome =
        run_tool({"run", kRoot / "demo/model", "--data", kRoot / "demo/prompts.jsonl", "--positions", "all",
                  "--audit-positions", "last,content", "--limit", "6", "--bootstrap", "20", "--permutations",
                  "20", "--expert-shuffles", "20", "-q", "-o", scratch_ / "out"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  }

  Outcome run(const std::string& page, const std::string& block) const {
    const fs::path folder = scratch_ / page;
    if (!fs::exists(folder)) {
      fs::create_directories(folder / "build");
      fs::create_symlink(kRoot / "demo", folder / "demo");
      fs::create_symlink(fs::path(paths::kBinary), folder / "build/committee-audit");
      fs::copy(scratch_ / "out", folder / "out", fs::copy_options::recursive);
      fs::copy(scratch_ / "mmlu", folder / "mmlu", fs::copy_options::recursive);
    }
    const std::string script =
        "set -eu\ncd '" + folder.string() + "'\nPATH='" + (scratch_ / "bin").string() + "':$PATH\n" + block;
    return run_program({"/bin/sh", scratch_.file("block", script)});
  }

 private:
  Scratch scratch_;
};

TEST(Docs, BlocksRun) {
  const Workplace workplace;
  int run = 0;
  for (const auto& page : pages()) {
    for (const auto& block : blocks_of(page)) {
      if (!is_run(block)) continue;
      const auto outcome = workplace.run(page.stem(), block.text);
      EXPECT_EQ(outcome.exit_code, 0) << page << ":" << block.line << "\n" << outcome.out << outcome.err;
      ++run;
    }
  }
  EXPECT_GT(run, 5);
}

}  // namespace
}  // namespace committee::cli
