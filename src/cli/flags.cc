#include "cli/flags.h"

#include <fmt/ranges.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "base/error.h"
#include "base/nearest.h"
#include "cli/parse.h"
#include "dataset/prompt.h"
#include "parallel/launcher.h"

namespace committee::cli {
namespace {

constexpr int kWidest = 140;  // columns; longer lines are hard to read

// Checks by the parser that will read the value later, so that a slip is bad usage (exit 2).
template <typename Parse>
CLI::Validator readable(Parse parse) {
  return CLI::Validator(
      [parse](std::string& text) -> std::string {
        try {
          parse(text);
          return {};
        } catch (const Error& problem) {
          return problem.what();
        }
      },
      "");
}

// Columns of the terminal that stdout is, 0 where it is none.
int terminal_columns() {
  struct winsize size {};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace

CLI::Validator readable_size() { return readable(parse_size); }

CLI::Validator one_of(std::vector<std::string> values) {
  const std::string set = fmt::format("{{{}}}", fmt::join(values, ","));
  const auto check = [values = std::move(values)](std::string& text) -> std::string {
    if (std::find(values.begin(), values.end(), text) != values.end()) return {};
    const std::string like = nearest(text, values);
    return fmt::format("\"{}\" is none of {}{}", text, fmt::join(values, ", "),
                       like.empty() ? "" : fmt::format("; did you mean {}?", like));
  };
  return CLI::Validator(check, set);
}

// A launcher may have bound the process to some of the processors; one that has not leaves all processes of
// the machine the same ones.
int MachineFlags::thread_count(int processes) const {
  if (threads > 0) return threads;
  const int all = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return all;
  const int count = CPU_COUNT(&allowed);
  return std::max(1, count < all ? count : all / processes);
}

uint64_t MachineFlags::memory_bytes() const { return memory.empty() ? 0 : parse_size(memory); }

void check_output(const OutputFlags& flags) {
  namespace fs = std::filesystem;
  if (!fs::exists(flags.out)) return;
  if (!fs::is_directory(flags.out)) throw Error("{}: is there and is no folder", flags.out.string());
  if (!fs::is_empty(flags.out) && !flags.overwrite && !flags.resume) {
    throw Error("{}: is not empty; --overwrite replaces an earlier run, --resume goes on with it",
                flags.out.string());
  }
}

void add_rank_flags(CLI::App& app, RankFlags& flags) {
  app.add_option(
         "--ranks", flags.share,
         "What the processes of mpirun or srun share: prompts, or layers, each then holding a part of "
         "the model (prompts)")
      ->check(one_of({"prompts", "layers"}));
  // Also said as `--split layers`.
  CLI::Option* split = app.get_option("--split");
  split->description("Split of an MMLU folder (test); or layers, as --ranks");
  split->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  split->transform([&flags, named = DataFlags().split](const std::string& word) mutable {
    if (word == "layers") {
      flags.share = word;
    } else {
      named = word;
    }
    return named;
  });
  app.add_flag(
      "--gather", flags.gather,
      "Ranks write to their own scratch folder and send shards to the first one (where they do not see "
      "its OUT)");
  app.add_option("--scratch", flags.scratch, "Folder of a rank for that (the system's)")->type_name("FOLDER");
}

report::TerminalStyle TerminalFlags::style() const {
  report::TerminalStyle style;
  const char* no_colour = std::getenv("NO_COLOR");
  // mpirun reads its processes' output through a terminal of its own.
  const bool wanted =
      (no_colour == nullptr || *no_colour == '\0') && ::isatty(STDOUT_FILENO) == 1 && !parallel::launched();
  if (const int columns = terminal_columns()) style.width = std::min(columns, kWidest);
  style.colour = colour == "auto" ? wanted : colour == "always";
  return style;
}

void add_machine_flags(CLI::App& app, MachineFlags& flags) {
  app.add_option("--threads", flags.threads, "Threads (all of the machine's)")->check(CLI::Range(1, 4096));
  app.add_option("--memory", flags.memory, "Memory to stay within, as 4G or 800M (what the machine has)")
      ->type_name("SIZE")
      ->check(readable_size());
}

void add_output_flags(CLI::App& app, OutputFlags& flags) {
  app.add_option("-o,--out", flags.out, "Folder to write")->type_name("FOLDER")->required();
  auto* resume = app.add_flag("--resume", flags.resume, "Go on where an earlier, interrupted call stopped");
  app.add_flag("--overwrite", flags.overwrite, "Replace what an earlier call wrote there")->excludes(resume);
}

void add_terminal_flags(CLI::App& app, TerminalFlags& flags) {
  app.add_flag("-q,--quiet", flags.quiet, "No progress on stderr");
  app.add_option("--color,--colour", flags.colour, "Colours of what is printed: auto, always or never (auto)")
      ->check(one_of({"auto", "always", "never"}));
}

void add_json_flag(CLI::App& app, TerminalFlags& flags) {
  app.add_flag("--json", flags.json, "Print the result as one JSON document");
}

void add_seed_flag(CLI::App& app, uint64_t& seed) {
  app.add_option("--seed", seed, "Seed of all that is drawn (0)");
}

void add_regrouping_flags(CLI::App& app, std::string& domains, std::string& group_by) {
  app.add_option("--domains", domains, "subject → domain: CSV `subject,domain` or a JSON object")
      ->type_name("FILE");
  app.add_option("--group-by", group_by, "Column that serves as the domain")->type_name("COLUMN");
}

void add_data_flags(CLI::App& app, DataFlags& flags) {
  app.add_option("--data", flags.data, "Prompts: an MMLU folder, a JSONL or CSV file, or a folder of these")
      ->type_name("PATH")
      ->required();
  app.add_option("--format", flags.format, "auto, mmlu, jsonl or csv (auto)")
      ->check(one_of({"auto", "mmlu", "jsonl", "csv"}));
  app.add_option("--split", flags.split, "Split of an MMLU folder (test)");
  app.add_option("--limit", flags.limit, "Samples a domain, drawn by the seed (all)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  app.add_option("--template", flags.prompt_template, "mmlu, committee or plain (mmlu)")
      ->check(one_of({"mmlu", "committee", "plain"}));
  app.add_option("--shots", flags.shots, "Worked examples before each question (0)")
      ->check(CLI::Range(0, 1000));
  app.add_option("--shots-from", flags.shots_from,
                 "Folder in MMLU's layout that they come from (the data's own)")
      ->type_name("FOLDER");
  app.add_option("--chat", flags.chat, "Chat wrapper around each prompt: chatml, deepseek or olmoe")
      ->check(one_of(dataset::chat_names()));
  add_regrouping_flags(app, flags.domains, flags.group_by);
}

void add_recording_flags(CLI::App& app, RecordingFlags& flags) {
  app.add_option("--positions", flags.positions, "Tokens to record: last, all, content or generated (last)")
      ->check(one_of({"last", "all", "content", "generated"}));
  app.add_option("--max-new-tokens", flags.max_new_tokens, "Tokens to generate for `generated` (16)")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--record", flags.record, "full distributions, or topk: executed experts only (full)")
      ->check(one_of({"full", "topk"}));
  app.add_option("--record-dtype", flags.record_dtype, "f32 or f16 (f32)")->check(one_of({"f32", "f16"}));
  app.add_option("--max-tokens", flags.max_tokens,
                 "Cut longer prompts at the front (refuse what the model can't read)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 31));
  app.add_flag("--score,!--no-score", flags.score, "Score the answer letters of multiple choice (on)");
  app.add_option("--top-k", flags.top_k, "Experts executed a token (the model's own)")
      ->check(CLI::Range(1, 65535));
  const auto experts = readable(parse_expert_sets);
  app.add_option("--mask", flags.mask, "Run without these experts, as 10:3,17;26:5")
      ->type_name("LAYER:IDS;…")
      ->check(experts);
  app.add_option("--mask-mode", flags.mask_mode, "renormalize: k others run, drop: fewer run (renormalize)")
      ->check(one_of({"renormalize", "drop"}));
  app.add_option("--always", flags.always, "Run these experts for every token, the other slots by rank")
      ->type_name("LAYER:IDS;…")
      ->check(experts);
  app.add_option("--compute", flags.compute,
                 "auto, bf16 or f32 (auto: bf16 where the processor multiplies it)")
      ->check(one_of({"auto", "bf16", "f32"}));
}

void add_rule_flags(CLI::App& app, StatisticsFlags& flags) {
  app.add_option("--eci", flags.eci, "Contribution: routing, executed, frequency or reference (routing)")
      ->check(one_of({"routing", "executed", "frequency", "reference"}));
  app.add_option("--gamma,--presence-ratio", flags.gamma, "Least share of domains of a candidate (0.8)")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--fallback", flags.fallback,
                 "Without candidates: none, or max-presence (none; max-presence under reference)")
      ->check(one_of({"none", "max-presence"}));
}

void add_bootstrap_flag(CLI::App& app, int& replicates) {
  app.add_option("--bootstrap", replicates, "Bootstrap replicates, 0 for none (200)")
      ->check(CLI::Range(0, 1000000));
}

void add_permutations_flag(CLI::App& app, int& replicates) {
  app.add_option("--permutations", replicates, "Permutations of the domains, 0 for none (200)")
      ->check(CLI::Range(0, 1000000));
}

void add_statistics_flags(CLI::App& app, StatisticsFlags& flags) {
  add_rule_flags(app, flags);
  add_bootstrap_flag(app, flags.bootstrap);
  app.add_option("--k", flags.k, "Experts that count as a domain's top (the model's own)")
      ->check(CLI::Range(1, 65535));
  app.add_option("--min-specificity", flags.min_specificity,
                 "Keep domains with a silhouette above this (off)");
  app.add_option("--agg-weight", flags.agg_weight,
                 "Repeated rows of a table under reference: mean, sum or median (mean)")
      ->check(one_of({"mean", "sum", "median"}));
  add_permutations_flag(app, flags.permutations);
  app.add_option("--expert-shuffles", flags.expert_shuffles, "Shuffles of the experts, 0 for none (200)")
      ->check(CLI::Range(0, 1000000));
  app.add_option(
         "--nested", flags.nested,
         "Column of the finer level inside domains whose variance is told apart, or none (subject, where "
         "there are several a domain)")
      ->type_name("COLUMN");
}

}  // namespace committee::cli
