// Man pages, made of the flag table.

#include <fmt/ranges.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/nearest.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/flag_table.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using Table = std::vector<CommandEntry>;

// Text as troff takes it: hyphens that can be copied, no line that begins with a control character.
std::string troff(const std::string& text) {
  std::string result;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) result += "\\&";
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else {
      result += c;
    }
    line_begins = c == '\n';
  }
  return result;
}

std::string head(const std::string& page, const std::string& summary) {
  return fmt::format(".TH {} 1 \"\" \"committee\\-audit {}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n", page,
                     kVersion, troff(page), troff(summary));
}

constexpr const char* kExitStatus =
    ".SH EXIT STATUS\n0 done, 1 failed (one sentence on stderr), 2 bad usage, 128 + signal interrupted.\n";

std::string flag_text(const FlagEntry& flag) {
  std::string names;
  for (const auto& name : flag.names) {
    names +=
        (names.empty() ? "" : ", ") + std::string(flag.argument ? "\\fI" : "\\fB") + troff(name) + "\\fR";
  }
  if (!flag.value.empty()) names += " \\fI" + troff(flag.value) + "\\fR";
  return fmt::format(".TP\n{}\n{}{}\n", names, troff(flag.description),
                     flag.required && !flag.argument ? " (required)" : "");
}

std::string command_page(const CommandEntry& command) {
  std::string arguments, flags;
  for (const auto& flag : command.flags) {
    (flag.argument ? arguments : flags) += flag_text(flag);
  }
  std::string text = head("committee-audit-" + command.name, command.description);
  text += fmt::format(".SH SYNOPSIS\n.B committee\\-audit {}\n[\\fIFLAGS\\fR]", troff(command.name));
  for (const auto& flag : command.flags) {
    if (flag.argument) text += fmt::format(" \\fI{}\\fR{}", troff(flag.names[0]), flag.repeats ? "..." : "");
  }
  text += "\n";
  if (!arguments.empty()) text += ".SH ARGUMENTS\n" + arguments;
  text += ".SH FLAGS\n" + flags;
  if (!command.footer.empty()) text += ".SH NOTES\n.nf\n" + troff(command.footer) + "\n.fi\n";
  return text + kExitStatus + ".SH SEE ALSO\n.BR committee\\-audit (1)\n";
}

std::string main_page(const CLI::App& app, const Table& table) {
  std::string text = head("committee-audit", "audits the experts of Mixture-of-Experts language models");
  text += ".SH SYNOPSIS\n.B committee\\-audit\n\\fICOMMAND\\fR [\\fIFLAGS\\fR]\n.SH DESCRIPTION\n" +
          troff(app.get_description()) + "\n.SH COMMANDS\n";
  for (const auto& command : table) {
    text += fmt::format(".TP\n\\fB{}\\fR\n{}\n", troff(command.name), troff(command.description));
  }
  text += kExitStatus;
  text +=
      ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nNo colours unless \\-\\-color always.\n.TP\n.B HF_HUB_CACHE, "
      "HF_HOME\n"
      "Where a hub id is looked up.\n.SH SEE ALSO\n";
  for (const auto& command : table)
    text += fmt::format(".BR committee\\-audit\\-{} (1)\n", troff(command.name));
  return text;
}

std::string page_of(const CLI::App& app, const Table& table, const std::string& name) {
  if (name.empty()) return main_page(app, table);
  std::vector<std::string> names;
  for (const auto& command : table) {
    if (command.name == name) return command_page(command);
    names.push_back(command.name);
  }
  const std::string like = nearest(name, names);
  throw Error("there is no command {}{}", name, like.empty() ? "" : "; did you mean " + like + "?");
}

void write_manual(const CLI::App& app, const std::string& name, const fs::path& folder) {
  const Table table = command_table(app);
  if (folder.empty()) {
    fmt::print("{}", page_of(app, table, name));
    return;
  }
  fs::create_directories(folder);
  write_file(folder / "committee-audit.1", main_page(app, table));
  for (const auto& command : table) {
    write_file(folder / ("committee-audit-" + command.name + ".1"), command_page(command));
  }
}

}  // namespace

void add_manual(CLI::App& app, Job& job) {
  struct Flags {
    std::string command;
    fs::path out;
  };
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("manual", "Print the man page of the program or of a command");
  auto* name = command->add_option("COMMAND", flags->command, "A command (the program itself)");
  command->add_option("-o,--out", flags->out, "Write all pages to this folder instead")
      ->type_name("FOLDER")
      ->excludes(name);
  command->callback(
      [flags, &app, &job] { job = [flags, &app] { write_manual(app, flags->command, flags->out); }; });
}

}  // namespace committee::cli
