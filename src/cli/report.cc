#include <cstdio>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/atomic_file.h"
#include "cli/audit.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "report/audit_files.h"
#include "report/html.h"
#include "report/terminal.h"

namespace committee::cli {
namespace {

struct Flags {
  std::vector<std::filesystem::path> audits;
  std::filesystem::path html;
  std::vector<std::filesystem::path> with;
  TerminalFlags terminal;
};

void run_report(const Flags& flags) {
  std::vector<report::LabelledAudit> audits;
  for (const auto& path : flags.audits) {
    audits.push_back({path.filename().empty() ? path.parent_path().filename() : path.filename(),
                      report::read_audit(path)});
  }
  if (!flags.html.empty()) {
    report::HtmlContext context;
    for (const auto& folder : flags.with) {
      context.findings.push_back(report::read_findings(folder));
      report::check_same_model(context.findings.back(), audits.front().result, folder);
    }
    write_file(flags.html, report::html_report(audits.front().result, context));
    return;
  }
  if (flags.terminal.json) {
    auto documents = OrderedJson::array();
    for (const auto& audit : audits) documents.push_back(audit_document(audit.result));
    print_json(audits.size() == 1 ? documents.front() : documents);
    return;
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
  command->add_option("--html", flags->html, "Write the (first) audit as one HTML page instead")
      ->type_name("FILE");
  command
      ->add_option("--with", flags->with,
                   "Show these folders of mask, sweep, roles or balance on the page, too")
      ->type_name("FOLDER")
      ->needs("--html");
  add_terminal_flags(*command, flags->terminal);
  command
      ->add_flag("--json", flags->terminal.json,
                 "Print audit.json (an array of them where there are several)")
      ->excludes("--html");
  command->callback([flags, &job] { job = [flags] { run_report(*flags); }; });
}

}  // namespace committee::cli
