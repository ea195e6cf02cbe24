#include "cli/flag_table.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

namespace committee::cli {
namespace {

// The words of "TEXT:{auto,mmlu}", CLI11's name of a type with a set of allowed words.
std::vector<std::string> words_in_braces(const std::string& type) {
  const size_t open = type.find('{'), close = type.rfind('}');
  if (open == std::string::npos || close == std::string::npos) return {};
  return CLI::detail::split(type.substr(open + 1, close - open - 1), ',');
}

std::string value_name(const std::string& type) {
  const std::string name = type.substr(0, type.find(':'));
  if (name == "INT" || name == "UINT") return "N";
  if (name == "FLOAT") return "X";
  if (name == "TEXT") return "NAME";
  return type.find('{') == std::string::npos ? type : name;
}

FlagEntry flag_entry(const CLI::Option& option) {
  FlagEntry entry;
  entry.argument = option.get_positional();
  if (entry.argument) {
    entry.names = {option.get_name(true, false)};
  } else {
    for (const auto& name : option.get_snames()) entry.names.push_back("-" + name);
    for (const auto& name : option.get_lnames()) entry.names.push_back("--" + name);
  }
  entry.choices = words_in_braces(option.get_type_name());
  if (option.get_type_size() != 0 && !entry.argument) entry.value = value_name(option.get_type_name());
  entry.description = option.get_description();
  entry.required = option.get_required();
  entry.repeats = entry.argument && option.get_expected_max() > 1;
  return entry;
}

void add_flags(const CLI::App& app, std::vector<FlagEntry>& flags) {
  for (const CLI::Option* option : app.get_options({})) flags.push_back(flag_entry(*option));
  for (const CLI::App* group :
       app.get_subcommands([](const CLI::App* sub) { return sub->get_name().empty(); })) {
    add_flags(*group, flags);
  }
}

}  // namespace

CommandEntry command_entry(const CLI::App& command) {
  CommandEntry entry{command.get_name(), command.get_description(), command.get_footer(), {}};
  add_flags(command, entry.flags);
  std::stable_partition(entry.flags.begin(), entry.flags.end(),
                        [](const FlagEntry& flag) { return flag.argument; });
  return entry;
}

std::vector<CommandEntry> command_table(const CLI::App& app) {
  std::vector<CommandEntry> table;
  for (const CLI::App* command :
       app.get_subcommands([](const CLI::App* sub) { return !sub->get_name().empty(); })) {
    table.push_back(command_entry(*command));
  }
  return table;
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool argument) const {
  const FlagEntry entry = flag_entry(*option);
  std::string name = fmt::format("{}", fmt::join(entry.names, ", "));
  if (argument && entry.repeats) name += "...";
  if (!entry.value.empty()) name += " " + entry.value;
  const bool says_required = entry.required && !argument;
  std::ostringstream text;
  CLI::detail::format_help(text, name, entry.description + (says_required ? " (required)" : ""),
                           get_column_width());
  return text.str();
}

}  // namespace committee::cli
