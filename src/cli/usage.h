#pragma once

#include <CLI/CLI.hpp>
#include <string>

// What a slip on the command line was probably meant to be.
namespace committee::cli {

// What is wrong with the command line, as one sentence, with the nearest command or flag; and a line that
// says where help is. `words`: the command line as typed, without the program's name.
std::string usage_message(CLI::App& app, const CLI::ParseError& problem,
                          const std::vector<std::string>& words);

// ", did you mean PATH?" where `sentence` is about a path of the command line that is not there and a
// neighbour of it has nearly that name, else "". What follows -o is no such path.
std::string path_suggestion(const std::string& sentence, const std::vector<std::string>& words);

}  // namespace committee::cli
