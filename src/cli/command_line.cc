#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <sstream>

#include "base/error.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/ranks.h"
#include "parallel/agree.h"

namespace committee::cli {

namespace {

std::string command_line;

// In single quotes where a shell would read a word otherwise.
std::string quoted(const std::string& word) {
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || std::strchr("-_./,:=@%+", c);
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

}  // namespace

const std::string& command_line_text() { return command_line; }

int run_command_line(int argc, const char* const* argv) {
  CLI::App app{
      "Does a small, fixed group of experts of a Mixture-of-Experts model do most of the work, whatever the\n"
      "domain, and is that more than chance and arithmetic would give?",
      "committee-audit"};
  command_line = "committee-audit";
  for (int i = 1; i < argc; ++i) {
    // These two change nothing in what is written, and a resumed run is to be equal to one in one go.
    const std::string word = argv[i];
    if (word != "--resume" && word != "--overwrite") command_line += " " + quoted(word);
  }
  app.set_version_flag("--version", std::string("committee-audit ") + kVersion);
  app.require_subcommand(1);
  Job job;
  for (const auto add : {add_run, add_capture, add_import, add_audit, add_sweep, add_roles, add_balance,
                         add_compare, add_export, add_report, add_merge, add_inspect, add_tokenize}) {
    add(app, job);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    std::ostringstream nowhere;
    const bool speaks = is_first_rank();
    return app.exit(problem, speaks ? std::cout : nowhere, speaks ? std::cerr : nowhere) == 0 ? 0 : 2;
  }
  try {
    check_command_of_ranks(app.get_subcommands().front()->get_name());
    job();
    if (std::fflush(stdout) != 0) throw Error("stdout: cannot write");
    return 0;
  } catch (const std::exception&) {
    // The first rank speaks for all.
    if (is_first_rank()) fmt::print(stderr, "committee-audit: {}\n", parallel::current_problem());
  }
  return 1;
}

}  // namespace committee::cli
