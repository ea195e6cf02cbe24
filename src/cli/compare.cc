#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "cli/audit.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "report/comparison.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;

struct Flags {
  std::vector<fs::path> audits;
  fs::path out;
  bool overwrite = false;
  TerminalFlags terminal;
};

// The last `depth` names of a path, "out/last" of "x/out/last/".
std::string last_names(const fs::path& path, int depth) {
  fs::path tail;
  auto rest = path.lexically_normal();
  if (!rest.has_filename()) rest = rest.parent_path();
  for (; depth > 0 && rest.has_filename(); --depth, rest = rest.parent_path()) {
    tail = tail.empty() ? rest.filename() : rest.filename() / tail;
  }
  return tail.string();
}

// Short names that tell the audits apart: as many of each path's last names as that takes. A path that comes
// again is numbered.
std::vector<std::string> labels_of(const std::vector<fs::path>& paths) {
  constexpr int kDeepest = 8;
  const std::set<fs::path> different(paths.begin(), paths.end());
  std::vector<std::string> labels;
  for (int depth = 1; depth <= kDeepest; ++depth) {
    labels.clear();
    for (const auto& path : paths) labels.push_back(last_names(path, depth));
    if (std::set(labels.begin(), labels.end()).size() == different.size()) break;
  }
  std::map<std::string, int> seen;
  for (auto& label : labels) {
    const int times = ++seen[label];
    if (times > 1) label += fmt::format(" ({})", times);
  }
  return labels;
}

void run_compare(const Flags& flags) {
  const auto labels = labels_of(flags.audits);
  std::vector<report::LabelledAudit> audits;
  for (size_t i = 0; i < labels.size(); ++i)
    audits.push_back({labels[i], report::read_audit(flags.audits[i])});
  prepare_audit_folder(flags.out, flags.overwrite);
  const auto comparison = report::compare_audits(std::move(audits));
  const std::string json = report::comparison_json(comparison, command_line_text());
  for (const auto& file : report::comparison_csv(comparison)) write_file(flags.out / file.name, file.text);
  write_file(flags.out / "compare.html", report::html_comparison(comparison, {command_line_text()}));
  write_file(flags.out / "compare.json", json);
  fmt::print("{}", flags.terminal.json ? json : report::comparison_text(comparison, flags.terminal.style()));
}

}  // namespace

void add_compare(CLI::App& app, Job& job) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("compare", "Set audits against the first of them");
  command->add_option("AUDIT", flags->audits, "Audit folders, the reference first")
      ->required()
      ->expected(2, std::numeric_limits<int>::max() / 2);
  command->add_option("-o,--out", flags->out, "Folder to write")->required()->type_name("FOLDER");
  command->add_flag("--overwrite", flags->overwrite, "Replace the comparison that is there");
  add_terminal_flags(*command, flags->terminal);
  add_json_flag(*command, flags->terminal);
  command->callback([flags, &job] { job = [flags] { run_compare(*flags); }; });
}

}  // namespace committee::cli
