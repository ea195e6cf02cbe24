#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "report/terminal.h"

// The flags, as typed: each is stated once, here, and parsing, help and the options echoed in files derive
// from it.
namespace committee::cli {

struct MachineFlags {
  int threads = 0;     // 0: all that the process may use
  std::string memory;  // empty: what the machine has

  int thread_count(int processes = 1) const;  // with so many on this machine
  uint64_t memory_bytes() const;              // 0 where not given
};

struct OutputFlags {
  std::filesystem::path out;
  bool resume = false, overwrite = false;
};

// Refuses an OUT that holds something, unless the flags say what to do with that.
void check_output(const OutputFlags& flags);

// What the processes of mpirun or srun share, and how.
struct RankFlags {
  std::string share = "prompts";
  bool gather = false;
  std::filesystem::path scratch;  // empty: the system's
};

struct TerminalFlags {
  bool quiet = false, json = false;
  std::string colour = "auto";

  report::TerminalStyle style() const;  // of what goes to stdout
};

struct DataFlags {
  std::filesystem::path data;
  std::string format = "auto", split = "test", prompt_template = "mmlu", chat, shots_from, domains, group_by;
  int64_t limit = 0;  // samples a domain; 0: all
  int64_t round = 0;  // samples a domain in a round; 0: no rounds
  int shots = 0;
};

struct RecordingFlags {
  std::string positions = "last", record = "full", record_dtype = "f32", compute = "auto", mask, always;
  std::string mask_mode = "renormalize";
  int max_new_tokens = 16;
  int64_t max_tokens = 0;  // 0: the model's positions, and longer prompts are refused
  std::optional<int> top_k;
  bool score = true;
};

struct StatisticsFlags {
  std::string eci = "routing", fallback, agg_weight = "mean";
  std::optional<int> k;
  std::optional<double> min_specificity;
  std::string nested;  // empty: subject, where that says something; none
  double gamma = 0.8;
  int bootstrap = 200, permutations = 200, expert_shuffles = 200;
};

// What parse_size() takes; a slip is bad usage.
CLI::Validator readable_size();

// Allows these words only; a slip is told which of them is nearest.
CLI::Validator one_of(std::vector<std::string> values);

void add_machine_flags(CLI::App& app, MachineFlags& flags);
// After add_data_flags(), whose --split may say `layers` too.
void add_rank_flags(CLI::App& app, RankFlags& flags);
void add_output_flags(CLI::App& app, OutputFlags& flags);
void add_terminal_flags(CLI::App& app, TerminalFlags& flags);
// For commands that print a result: with flags.json that is one JSON document (see json_output.h) and nothing
// else.
void add_json_flag(CLI::App& app, TerminalFlags& flags);
void add_data_flags(CLI::App& app, DataFlags& flags);
void add_recording_flags(CLI::App& app, RecordingFlags& flags);
void add_rule_flags(CLI::App& app, StatisticsFlags& flags);  // of the committee: --eci, --gamma, --fallback
void add_bootstrap_flag(CLI::App& app, int& replicates);
void add_permutations_flag(CLI::App& app, int& replicates);
void add_statistics_flags(CLI::App& app, StatisticsFlags& flags);
void add_regrouping_flags(CLI::App& app, std::string& domains, std::string& group_by);
void add_seed_flag(CLI::App& app, uint64_t& seed);

}  // namespace committee::cli
