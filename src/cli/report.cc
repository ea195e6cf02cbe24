#include <cstdio>
#include <filesystem>
#include <memory>
#include <vector>

#include "cli/commands.h"
#include "cli/flags.h"
#include "report/audit_files.h"
#include "report/terminal.h"

namespace committee::cli {
namespace {

struct Flags {
  std::vector<std::filesystem::path> audits;
  TerminalFlags terminal;
};

void run_report(const Flags& flags) {
  std::vector<report::LabelledAudit> audits;
  for (const auto& path : flags.audits) {
    audits.push_back({path.filename().empty() ? path.parent_path().filename() : path.filename(),
                      report::read_audit(path)});
  }
  const auto style = flags.terminal.style();
  fmt::print("{}", report::terminal_report(audits.front().result, style));
  if (audits.size() > 1) fmt::print("\n{}", report::terminal_comparison(audits, style));
}

}  // namespace

void add_report(CLI::App& app, Job& job) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("report", "Show an audit; further ones are set beside it");
  command->add_option("AUDIT", flags->audits, "Audit folders")->required();
  add_terminal_flags(*command, flags->terminal);
  command->callback([flags, &job] { job = [flags] { run_report(*flags); }; });
}

}  // namespace committee::cli
