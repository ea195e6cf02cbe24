#include "cli/manual.h"

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
#include "cli/flags.h"

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

void write_manual(const CLI::App& app, const fs::path& folder) {
  fs::create_directories(folder);
  write_file(folder / "committee-audit.1", manual_page(app, ""));
  for (const auto& command : command_table(app)) {
    write_file(folder / ("committee-audit-" + command.name + ".1"), command_page(command));
  }
}

}  // namespace

std::string manual_page(const CLI::App& app, const std::string& command) {
  const Table table = command_table(app);
  if (command.empty()) return main_page(app, table);
  std::vector<std::string> names;
  for (const auto& entry : table) {
    if (entry.name == command) return command_page(entry);
    names.push_back(entry.name);
  }
  const std::string like = nearest(command, names);
  throw Error("there is no command {}{}", command, like.empty() ? "" : "; did you mean " + like + "?");
}

OrderedJson manual_json(const CLI::App& app) {
  OrderedJson document = json_head("manual");
  auto& commands = document["commands"] = OrderedJson::array();
  for (const auto& command : command_table(app)) {
    auto flags = OrderedJson::array();
    for (const auto& flag : command.flags) {
      flags.push_back({{"names", flag.names},
                       {"argument", flag.argument},
                       {"value", flag.value.empty() ? OrderedJson() : OrderedJson(flag.value)},
                       {"choices", flag.choices},
                       {"required", flag.required},
                       {"repeats", flag.repeats},
                       {"description", flag.description}});
    }
    commands.push_back({{"name", command.name}, {"description", command.description}, {"flags", flags}});
  }
  return document;
}

void add_manual(CLI::App& app, Job& job) {
  struct Flags {
    std::string command;
    fs::path out;
    TerminalFlags terminal;
  };
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("manual", "Print the man page of the program or of a command");
  auto* name = command->add_option("COMMAND", flags->command, "A command (the program itself)");
  auto* out = command->add_option("-o,--out", flags->out, "Write all pages to this folder instead")
                  ->type_name("FOLDER")
                  ->excludes(name);
  command->add_flag("--json", flags->terminal.json, "Print all commands and flags as one JSON document")
      ->excludes(name)
      ->excludes(out);
  command->callback([flags, &app, &job] {
    job = [flags, &app] {
      if (flags->terminal.json) {
        print_json(manual_json(app));
      } else if (!flags->out.empty()) {
        write_manual(app, flags->out);
      } else {
        fmt::print("{}", manual_page(app, flags->command));
      }
    };
  });
}

}  // namespace committee::cli
