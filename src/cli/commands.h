#pragma once

#include <CLI/CLI.hpp>
#include <functional>

// One function a command: adds it with its flags to the app, and when it is the one called, sets `job` to its
// work.
namespace committee::cli {

using Job = std::function<void()>;

void add_run(CLI::App& app, Job& job);
void add_capture(CLI::App& app, Job& job);
void add_import(CLI::App& app, Job& job);
void add_audit(CLI::App& app, Job& job);
void add_report(CLI::App& app, Job& job);
void add_inspect(CLI::App& app, Job& job);
void add_tokenize(CLI::App& app, Job& job);

// Parses and runs a command line; the exit code: 0 done, 1 failed (one sentence on stderr), 2 bad usage.
int run_command_line(int argc, const char* const* argv);

}  // namespace committee::cli
