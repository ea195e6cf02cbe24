#include "cli/completion.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/flags.h"

namespace committee::cli {
namespace {

using Table = std::vector<CommandEntry>;

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
  return text;
}

// Within single quotes of bash and zsh.
std::string quoted(const std::string& text) { return "'" + replaced(text, "'", "'\\''") + "'"; }

std::string bash_values(const FlagEntry& flag) {
  if (!flag.choices.empty())
    return fmt::format("compgen -W {} -- \"$cur\"", quoted(fmt::format("{}", fmt::join(flag.choices, " "))));
  if (flag.takes_folder()) return "compgen -d -- \"$cur\"";
  return flag.takes_file() || flag.argument ? "compgen -f -- \"$cur\"" : ":";
}

std::string bash_command(const CommandEntry& command) {
  std::vector<std::string> names;
  std::string text = fmt::format("    {})\n      case $prev in\n", command.name);
  std::string argument = "compgen -f -- \"$cur\"";
  for (const auto& flag : command.flags) {
    if (flag.argument) {
      argument = bash_values(flag);
      continue;
    }
    names.insert(names.end(), flag.names.begin(), flag.names.end());
    if (flag.value.empty()) continue;
    text += fmt::format("        {}) mapfile -t COMPREPLY < <({}); return ;;\n", fmt::join(flag.names, "|"),
                        bash_values(flag));
  }
  text += "      esac\n";
  text += fmt::format("      flags={}\n", quoted(fmt::format("{}", fmt::join(names, " "))));
  return text + fmt::format("      [[ $cur == -* ]] || mapfile -t COMPREPLY < <({}) ;;\n", argument);
}

std::string bash_completion(const Table& table) {
  std::vector<std::string> commands;
  std::string cases;
  for (const auto& command : table) {
    commands.push_back(command.name);
    cases += bash_command(command);
  }
  return fmt::format(
      "# bash completion for committee-audit\n"
      "_committee_audit() {{\n"
      "  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} flags=\n"
      "  COMPREPLY=()\n"
      "  if (( COMP_CWORD == 1 )); then\n"
      "    mapfile -t COMPREPLY < <(compgen -W '{} --help --version' -- \"$cur\")\n"
      "    return\n"
      "  fi\n"
      "  case ${{COMP_WORDS[1]}} in\n{}"
      "  esac\n"
      "  [[ $cur == -* ]] && mapfile -t COMPREPLY < <(compgen -W \"$flags\" -- \"$cur\")\n"
      "}}\n"
      "complete -o filenames -F _committee_audit committee-audit\n",
      fmt::join(commands, " "), cases);
}

// Brackets and colons have a meaning in an _arguments specification.
std::string zsh_text(const std::string& text) {
  std::string result = replaced(text, "\\", "\\\\");
  for (const char* special : {"[", "]", ":"}) result = replaced(result, special, std::string("\\") + special);
  return result;
}

std::string zsh_action(const FlagEntry& flag) {
  if (!flag.choices.empty()) return fmt::format("({})", fmt::join(flag.choices, " "));
  if (flag.takes_folder()) return "_files -/";
  return flag.takes_file() || flag.argument ? "_files" : " ";
}

std::string zsh_command(const CommandEntry& command) {
  std::string text = fmt::format("    {})\n      _arguments -s", command.name);
  for (const auto& flag : command.flags) {
    if (flag.argument) {
      text += " \\\n        " + quoted(fmt::format("{}:{}:{}", flag.repeats ? "*" : "",
                                                   zsh_text(flag.names[0]), zsh_action(flag)));
      continue;
    }
    for (const auto& name : flag.names) {
      const std::string value =
          flag.value.empty() ? "" : fmt::format(":{}:{}", zsh_text(flag.value), zsh_action(flag));
      text += " \\\n        " + quoted(fmt::format("{}[{}]{}", name, zsh_text(flag.description), value));
    }
  }
  return text + " ;;\n";
}

std::string zsh_completion(const Table& table) {
  std::string commands, cases;
  for (const auto& command : table) {
    commands += "    " + quoted(command.name + ":" + zsh_text(command.description)) + "\n";
    cases += zsh_command(command);
  }
  return fmt::format(
      "#compdef committee-audit\n"
      "_committee_audit() {{\n"
      "  local -a commands\n"
      "  commands=(\n{}  )\n"
      "  if (( CURRENT == 2 )); then\n"
      "    _describe command commands\n"
      "    return\n"
      "  fi\n"
      "  local command=$words[2]\n"
      "  shift words\n"
      "  (( CURRENT-- ))\n"
      "  case $command in\n{}"
      "  esac\n"
      "}}\n"
      "if [[ $funcstack[1] == _committee_audit ]]; then\n"
      "  _committee_audit \"$@\"\n"
      "else\n"
      "  compdef _committee_audit committee-audit\n"
      "fi\n",
      commands, cases);
}

std::string fish_quoted(const std::string& text) {
  return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
}

std::string fish_flag(const std::string& command, const FlagEntry& flag) {
  std::string text = fmt::format("complete -c committee-audit -n '__fish_seen_subcommand_from {}'", command);
  for (const auto& name : flag.names) {
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  if (!flag.choices.empty()) {
    text += flag.argument ? " -f" : " -x";
    text += " -a " + fish_quoted(fmt::format("{}", fmt::join(flag.choices, " ")));
  } else if (flag.takes_folder()) {
    text += " -x -a '(__fish_complete_directories)'";
  } else if (flag.takes_file()) {
    text += " -r";
  } else if (!flag.value.empty()) {
    text += " -x";
  }
  return text + " -d " + fish_quoted(flag.description) + "\n";
}

std::string fish_completion(const Table& table) {
  std::string text = "# fish completion for committee-audit\n";
  for (const auto& command : table) {
    text += fmt::format("complete -c committee-audit -f -n __fish_use_subcommand -a {} -d {}\n", command.name,
                        fish_quoted(command.description));
  }
  for (const auto& command : table) {
    for (const auto& flag : command.flags) {
      if (!flag.argument) {
        text += fish_flag(command.name, flag);
      } else if (!flag.choices.empty()) {
        FlagEntry values = flag;
        values.names.clear();
        text += fish_flag(command.name, values);
      }
    }
  }
  return text;
}

}  // namespace

std::string completion(const std::vector<CommandEntry>& table, const std::string& shell) {
  if (shell == "bash") return bash_completion(table);
  return shell == "zsh" ? zsh_completion(table) : fish_completion(table);
}

void add_completion(CLI::App& app, Job& job) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("completion", "Print the completion of a shell");
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(one_of({"bash", "zsh", "fish"}));
  command->footer(
      "As in: committee-audit completion bash > ~/.local/share/bash-completion/completions/committee-audit");
  command->callback([shell, &app, &job] {
    job = [shell, &app] { fmt::print("{}", completion(command_table(app), *shell)); };
  });
}

}  // namespace committee::cli
