#include "trace/merge.h"

#include <cstdio>
#include <memory>
#include <vector>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/trace_summary.h"

namespace committee::cli {

void add_merge(CLI::App& app, Job& job) {
  struct Flags {
    std::vector<std::filesystem::path> traces;
    std::filesystem::path out;
    bool overwrite = false;
    TerminalFlags terminal;
  };
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("merge", "Join traces of the same model and recording");
  command->add_option("TRACE", flags->traces, "Trace folders, in order")->required();
  command->add_option("-o,--out", flags->out, "Trace folder to write")->required()->type_name("FOLDER");
  command->add_flag("--overwrite", flags->overwrite, "Replace the trace that is there");
  add_terminal_flags(*command, flags->terminal);
  add_json_flag(*command, flags->terminal);
  command->callback([flags, &job] {
    job = [flags] {
      const auto existing = flags->overwrite ? trace::Existing::kOverwrite : trace::Existing::kRefuse;
      const auto manifest = trace::merge_traces(flags->traces, flags->out, existing);
      if (flags->terminal.json) print_json(trace_summary("merge", manifest, flags->out, {}));
      if (!flags->terminal.quiet) {
        fmt::print(stderr, "{} traces, {} samples → {}\n", flags->traces.size(), manifest.samples,
                   flags->out.string());
      }
    };
  });
}

}  // namespace committee::cli
