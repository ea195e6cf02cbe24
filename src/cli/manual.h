#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "cli/json_output.h"

namespace committee::cli {

// The man page of a command, or, for "", of the program. Throws Error for another word.
std::string manual_page(const CLI::App& app, const std::string& command);

// All commands with their flags, for programs.
OrderedJson manual_json(const CLI::App& app);

}  // namespace committee::cli
