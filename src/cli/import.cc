#include "trace/import.h"

#include <cstdio>
#include <memory>
#include <string>

#include "audit/import_table.h"
#include "base/error.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/trace_summary.h"

namespace committee::cli {
namespace {

// The authors' tables, which the audit module reads.
constexpr const char* kTable = "table";

struct Flags {
  std::string kind, rows;
  std::filesystem::path input, out;
  std::optional<int> k, experts;
  bool overwrite = false;
  TerminalFlags terminal;
};

void run_import(const Flags& flags) {
  trace::ImportOptions options;
  options.existing = flags.overwrite ? trace::Existing::kOverwrite : trace::Existing::kRefuse;
  options.top_k = flags.k;
  options.experts = flags.experts;
  if (!flags.rows.empty()) {
    options.rows = flags.rows == "share" ? trace::Rows::kShare : trace::Rows::kDistribution;
  }
  if (flags.kind == kTable && options.rows) throw Error("import --from {} takes no --rows", kTable);
  const auto result = flags.kind == kTable ? audit::import_table(flags.input, flags.out, options)
                                           : trace::import_trace(flags.kind, flags.input, flags.out, options);
  for (const auto& warning : result.warnings) fmt::print(stderr, "warning: {}\n", warning);
  if (flags.terminal.json) print_json(trace_summary("import", result.manifest, flags.out, result.warnings));
  if (flags.terminal.quiet) return;
  fmt::print(stderr, "{} samples, {} MoE layers of {} experts → {}; --eci that they allow: {}\n",
             result.manifest.samples, result.manifest.model.moe_layers.size(), result.manifest.model.experts,
             flags.out.string(), fmt::join(result.manifest.recording.allowed_eci, ", "));
}

}  // namespace

void add_import(CLI::App& app, Job& job) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("import", "Make a trace of what another program recorded");
  std::vector<std::string> kinds;
  std::string footer = "Kinds:\n";
  for (const auto& kind : trace::import_kinds()) {
    kinds.emplace_back(kind.name);
    footer += fmt::format("  {:<22}{}\n", kind.name, kind.summary);
  }
  kinds.emplace_back(kTable);
  footer +=
      fmt::format("  {:<22}{}\n", kTable, "the authors' tables (.csv .xlsx), long or with lists of experts");
  command->footer(footer);
  command->add_option("--from", flags->kind, "Kind of source, see below")
      ->required()
      ->type_name("KIND")
      ->check(one_of(kinds));
  command->add_option("INPUT", flags->input, "File or folder")->required();
  command->add_option("-o,--out", flags->out, "Trace folder to write")->required()->type_name("FOLDER");
  command->add_option("--k", flags->k, "Experts executed a token, where the source does not say")
      ->check(CLI::Range(1, 65535));
  command->add_option("--experts", flags->experts, "Routed experts a layer, where the source does not say")
      ->check(CLI::Range(1, 65535));
  command
      ->add_option("--rows", flags->rows, "npy: share of slots, or distribution of single positions (share)")
      ->check(one_of({"share", "distribution"}));
  command->add_flag("--overwrite", flags->overwrite, "Replace the trace that is there");
  add_terminal_flags(*command, flags->terminal);
  add_json_flag(*command, flags->terminal);
  command->callback([flags, &job] { job = [flags] { run_import(*flags); }; });
}

}  // namespace committee::cli
