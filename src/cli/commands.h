#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

// One function a command: adds it with its flags to the app, and when it is the one called, sets `job` to its
// work.
namespace committee::cli {

using Job = std::function<void()>;

void add_run(CLI::App& app, Job& job);
void add_capture(CLI::App& app, Job& job);
void add_import(CLI::App& app, Job& job);
void add_audit(CLI::App& app, Job& job);
void add_mask(CLI::App& app, Job& job);
void add_sweep(CLI::App& app, Job& job);
void add_roles(CLI::App& app, Job& job);
void add_balance(CLI::App& app, Job& job);
void add_compare(CLI::App& app, Job& job);
void add_export(CLI::App& app, Job& job);
void add_merge(CLI::App& app, Job& job);
void add_report(CLI::App& app, Job& job);
void add_inspect(CLI::App& app, Job& job);
void add_tokenize(CLI::App& app, Job& job);
void add_completion(CLI::App& app, Job& job);
void add_manual(CLI::App& app, Job& job);

// The command line being run, as a shell takes it; for files that say how they were made.
const std::string& command_line_text();

// The same command, as it was typed, with --resume: what goes on where an interrupted one stopped.
std::string resume_command_text();

// Parses and runs a command line; the exit code: 0 done, 1 failed (one sentence on stderr), 2 bad usage,
// 128 + signal interrupted.
int run_command_line(int argc, const char* const* argv);

}  // namespace committee::cli
