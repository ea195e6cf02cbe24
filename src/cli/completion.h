#pragma once

#include <string>
#include <vector>

#include "cli/flag_table.h"

namespace committee::cli {

// What a shell ("bash", "zsh" or "fish") reads to complete the commands of the table, their flags and the
// words these take.
std::string completion(const std::vector<CommandEntry>& table, const std::string& shell);

}  // namespace committee::cli
