#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "base/atomic_file.h"
#include "cli/audit.h"
#include "cli/capture.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/ranks.h"
#include "report/html.h"
#include "report/terminal.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;

struct Flags {
  CaptureFlags capture;
  OutputFlags output;
  StatisticsFlags statistics;
  std::vector<std::string> audit_positions;
};

void audit_and_report(const Flags& flags, const CaptureSummary& captured) {
  const fs::path& out = flags.output.out;
  AuditFlags audit;
  audit.statistics = flags.statistics;
  audit.machine = flags.capture.machine;
  audit.seed = flags.capture.seed;
  audit.terminal = flags.capture.terminal;
  say_when_interrupted("interrupted; the trace is complete, go on with: " + resume_command_text());
  OrderedJson summaries = OrderedJson::array();
  std::vector<report::LabelledAudit> audits;
  const auto one = [&](const std::string& positions, const fs::path& folder) {
    audit.positions = positions;
    prepare_audit_folder(folder, true);
    if (flags.statistics.eci == "reference") {
      const std::string csv = audit_by_reference(out / "trace", audit, folder);
      if (!audit.terminal.json) fmt::print("{}", csv);
      summaries.push_back({{"audit", folder.string()}, {"reference", json_rows(csv)}});
    } else {
      audits.push_back({positions.empty() ? flags.capture.recording.positions : positions,
                        audit_trace(out / "trace", audit, folder)});
      summaries.push_back({{"audit", folder.string()}, {"result", audit_document(audits.back().result)}});
    }
  };
  if (flags.audit_positions.empty()) one("", out / "audit");
  for (size_t i = 0; i < flags.audit_positions.size(); ++i) {
    const std::string& positions = flags.audit_positions[i];
    one(positions, out / (i == 0 ? "audit" : "audit-" + positions));
  }
  if (!audits.empty()) {
    write_file(out / "report.html", report::html_report(audits.front().result, {command_line_text()}));
  }
  if (flags.capture.terminal.json) {
    OrderedJson document = json_head("run");
    document["capture"] = captured.json();
    document["audits"] = std::move(summaries);
    print_json(document);
    return;
  }
  const auto style = flags.capture.terminal.style();
  if (!audits.empty()) fmt::print("{}", report::terminal_report(audits.front().result, style));
  if (audits.size() > 1) fmt::print("\n{}", report::terminal_comparison(audits, style));
}

// The main job: what the model's routers do on the prompts, and what that shows.
void run(const Flags& flags, parallel::Communicator& ranks) {
  const fs::path& out = flags.output.out;
  on_first(ranks, [&] {
    check_output(flags.output);
    // A report of an earlier run must not speak for files that are about to change.
    std::error_code absent;
    fs::remove(out / "report.html", absent);
  });
  CaptureFlags recording = flags.capture;
  recording.adaptive.statistics = flags.statistics;
  if (!flags.audit_positions.empty()) recording.adaptive.positions = flags.audit_positions.front();
  const auto captured = capture(recording, out / "trace", flags.output.resume, flags.output.overwrite, ranks);
  on_first(ranks, [&] { audit_and_report(flags, captured); });
}

}  // namespace

void add_run(CLI::App& app, Job& job) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("run", "The main job: capture, audit and report");
  add_capture_flags(*command, flags->capture);
  add_rank_flags(*command, flags->capture.ranks);
  add_verify_flag(*command, flags->capture);
  add_output_flags(*command, flags->output);
  add_statistics_flags(*command, flags->statistics);
  command
      ->add_option("--audit-positions", flags->audit_positions,
                   "Audit these of the recorded rows, each on its own: last, all, content (all there are)")
      ->delimiter(',')
      ->type_name("LIST")
      ->check(one_of({"last", "all", "content"}));
  command->callback([flags, &job] {
    job = [flags] { with_ranks([&](parallel::Communicator& ranks) { run(*flags, ranks); }); };
  });
}

}  // namespace committee::cli
