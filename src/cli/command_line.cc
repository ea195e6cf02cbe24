#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iterator>
#include <new>

#include "base/error.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/flag_table.h"
#include "cli/interrupt.h"
#include "cli/ranks.h"
#include "cli/usage.h"

namespace committee::cli {

namespace {

std::string command_line, program;
std::vector<std::string> words;  // of the command line, without the program's name

// In single quotes where a shell would read a word otherwise.
std::string shell_word(const std::string& word) {
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || std::strchr("-_./,:=@%+", c);
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

int fail(const std::string& sentence) {
  // The first rank speaks for all.
  if (is_first_rank()) fmt::print(stderr, "committee-audit: {}\n", sentence);
  leave_together();
  return 1;
}

int run_job(const Job& job) {
  try {
    job();
    if (std::fflush(stdout) != 0) throw Error("stdout: cannot write");
    return 0;
  } catch (const Interrupted& stop) {
    return 128 + stop.signal;
  } catch (const Said&) {
    return 1;
  } catch (const Error& problem) {
    return fail(problem.what() + path_suggestion(problem.what(), words));
  } catch (const std::bad_alloc&) {
    return fail("out of memory");
  } catch (const std::exception& problem) {
    return fail(problem.what());
  }
}

struct Command {
  const char* name;
  void (*add)(CLI::App& app, Job& job);
  bool tells_of_all = false;  // its output is made of every command's flags
};
constexpr Command kCommands[] = {{"run", add_run},
                                 {"capture", add_capture},
                                 {"import", add_import},
                                 {"audit", add_audit},
                                 {"sweep", add_sweep},
                                 {"mask", add_mask},
                                 {"roles", add_roles},
                                 {"balance", add_balance},
                                 {"compare", add_compare},
                                 {"export", add_export},
                                 {"report", add_report},
                                 {"merge", add_merge},
                                 {"inspect", add_inspect},
                                 {"tokenize", add_tokenize},
                                 {"completion", add_completion, true},
                                 {"manual", add_manual, true}};

// The command that is asked for, all where none is: building every command's flags takes longer than a small
// audit.
void add_commands(CLI::App& app, Job& job) {
  const auto asked = std::find_if(std::begin(kCommands), std::end(kCommands), [](const Command& command) {
    return !words.empty() && words.front() == command.name;
  });
  for (const Command& command : kCommands) {
    const bool all = asked == std::end(kCommands) || asked->tells_of_all;
    if (all || asked == &command) command.add(app, job);
  }
}

}  // namespace

const std::string& command_line_text() { return command_line; }

std::string resume_command_text() {
  std::string text = shell_word(program);
  for (const auto& word : words) {
    if (word != "--overwrite" && word != "--resume") text += " " + shell_word(word);
  }
  return text + " --resume";
}

int run_command_line(int argc, const char* const* argv) {
  CLI::App app{
      "Does a small, fixed group of experts of a Mixture-of-Experts model do most of the work, whatever the\n"
      "domain, and is that more than chance and arithmetic would give?",
      "committee-audit"};
  command_line = "committee-audit";
  program = argv[0];
  words.assign(argv + 1, argv + argc);
  for (const auto& word : words) {
    // These two change nothing in what is written, and a resumed run is to be equal to one in one go.
    if (word != "--resume" && word != "--overwrite") command_line += " " + shell_word(word);
  }
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_version_flag("--version", std::string("committee-audit ") + kVersion);
  app.require_subcommand(1);
  Job job;
  add_commands(app, job);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    const bool speaks = is_first_rank();
    if (problem.get_exit_code() == 0) return speaks ? app.exit(problem) : 0;
    if (speaks) fmt::print(stderr, "{}", usage_message(app, problem, words));
    leave_together();
    return 2;
  }
  return run_job([&] {
    check_command_of_ranks(app.get_subcommands().front()->get_name());
    job();
  });
}

}  // namespace committee::cli
