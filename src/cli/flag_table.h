#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

// The commands and flags as they were added to the app, in plain structs: help, shell completion, man pages
// and suggestions are made of these, so that a flag is stated once.
namespace committee::cli {

struct FlagEntry {
  std::vector<std::string> names;  // "-o", "--out"; of an argument its one name, "TRACE"
  std::string value;               // what a flag takes, "FOLDER"; "" of a switch
  std::string description;
  std::vector<std::string> choices;  // the words it takes, where only some are allowed
  bool argument = false;             // named by its place
  bool required = false;
  bool repeats = false;

  bool takes_folder() const { return value == "FOLDER"; }
  bool takes_file() const { return value == "FILE" || value == "PATH" || value == "JSONL"; }
};

struct CommandEntry {
  std::string name, description, footer;
  std::vector<FlagEntry> flags;  // arguments first
};

CommandEntry command_entry(const CLI::App& command);
std::vector<CommandEntry> command_table(const CLI::App& app);  // of all subcommands

// Help as one reads it: values by a short name, what is allowed in the description.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(30); }
  std::string make_option(const CLI::Option* option, bool argument) const override;
};

}  // namespace committee::cli
