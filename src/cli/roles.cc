#include "roles/roles.h"

#include <cstdio>
#include <memory>
#include <unordered_map>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "cli/audit.h"
#include "cli/commands.h"
#include "model/weights.h"
#include "report/roles_files.h"
#include "report/text.h"
#include "roles/classes.h"
#include "tokenizer/readable.h"
#include "tokenizer/tokenizer.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;

struct Flags {
  fs::path trace, out, committee, classes, tokenizer;
  std::string set = "committee";
  AuditFlags audit;
  roles::RolesOptions roles;
  bool overwrite = false;
};

std::vector<std::vector<int>> sets_of(const audit::AuditResult& audit, const std::string& set) {
  std::vector<std::vector<int>> sets;
  for (const auto& layer : audit.layers) {
    if (set == "stable" && !layer.stable) throw Error("--set stable needs an audit with a bootstrap");
    sets.push_back(set == "core" ? layer.core : set == "stable" ? *layer.stable : layer.committee);
  }
  return sets;
}

// The committee of the same rows by the audit's rules, or another audit's.
std::vector<std::vector<int>> sets(const Flags& flags, const trace::Trace& trace,
                                   const audit::AuditOptions& options) {
  if (flags.committee.empty()) {
    return sets_of(audit_for_sets(trace, options, flags.set == "stable"), flags.set);
  }
  const auto audit = report::read_audit(flags.committee);
  const auto& model = trace.manifest().model;
  if (audit.model.fingerprint != model.fingerprint || audit.model.moe_layers != model.moe_layers ||
      audit.model.experts != model.experts) {
    throw Error("{}: is the audit of another model ({}) than the trace's ({})", flags.committee.string(),
                audit.model.name, model.name);
  }
  return sets_of(audit, flags.set);
}

// The tokenizer's folder: as given, else the trace's own model where it is found under its name.
std::optional<tokenizer::Tokenizer> tokenizer_of(const Flags& flags, const trace::Trace& trace) {
  if (!flags.tokenizer.empty()) return tokenizer::Tokenizer::load(flags.tokenizer);
  try {
    const fs::path folder = model::find_model(trace.manifest().model.name);
    if (model::Model::open(folder).fingerprint() != trace.manifest().model.fingerprint) return std::nullopt;
    return tokenizer::Tokenizer::load(folder);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::function<std::string(int32_t)> text_of(const std::optional<tokenizer::Tokenizer>& tokenizer) {
  if (!tokenizer) return {};
  return [tokenizer](int32_t token) {
    const std::string text = tokenizer::readable(tokenizer->token_text(token));
    return text.empty() ? fmt::format("<{}>", token) : text;
  };
}

std::vector<std::pair<std::string, std::string>> options_of(const Flags& flags, const roles::RolesResult& r) {
  return {{"eci", flags.audit.statistics.eci},
          {"gamma", fmt::format("{}", flags.audit.statistics.gamma)},
          {"committee", flags.committee.string()},
          {"set", flags.set},
          {"positions", r.positions},
          {"min_domains", fmt::format("{}", r.options.min_domains)},
          {"min_count", fmt::format("{}", r.options.min_count)},
          {"top", fmt::format("{}", r.options.top)},
          {"shuffles", fmt::format("{}", r.options.shuffles)},
          {"permutations", fmt::format("{}", r.options.audit.permutations)},
          {"seed", fmt::format("{}", r.options.audit.seed)},
          {"rows", fmt::format("{}", r.rows)},
          {"rows_with_token", fmt::format("{}", r.known_rows)},
          {"distinct_tokens", fmt::format("{}", r.distinct_tokens)}};
}

void run_roles(const Flags& flags) {
  if (flags.audit.statistics.eci == "reference") {
    throw Error("--eci reference has no per-token form: choose routing, executed or frequency");
  }
  const auto trace = trace::Trace::open(flags.trace);
  roles::RolesOptions options = flags.roles;
  options.audit = audit_options(flags.audit, trace);
  options.set_name = flags.set == "committee" ? "committee" : flags.set + " set";
  const std::string list = flags.classes.empty() ? "" : std::string(MappedFile(flags.classes).text());
  options.class_of_word = flags.classes.empty()
                              ? roles::parse_classes(roles::kTokenClasses, "built-in word list")
                              : roles::parse_classes(list, flags.classes.string());
  const auto tokenizer = tokenizer_of(flags, trace);
  options.text = text_of(tokenizer);
  if (!tokenizer && !flags.audit.terminal.quiet) {
    fmt::print(stderr,
               "no tokenizer found for {}: tokens are shown as ids and word lists do not apply; name one "
               "with --tokenizer\n",
               trace.manifest().model.name);
  }
  options.sets = sets(flags, trace, options.audit);
  const auto result = roles::roles(trace, options);
  prepare_audit_folder(flags.out, flags.overwrite);
  fs::create_directories(flags.out);
  const auto tables = report::roles_csv(result);
  for (const auto& file : tables) write_file(flags.out / file.name, file.text);
  const auto sentences = report::roles_sentences(result);
  const std::string context = report::context_json(
      {"committee-audit roles", command_line_text(), options_of(flags, result), result.model}, sentences);
  write_file(flags.out / "roles.json", context);
  print_findings(context, tables, sentences, flags.audit.terminal);
}

}  // namespace

void add_roles(CLI::App& app, Job& job) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("roles", "Which tokens and domains each expert serves, tested");
  command->add_option("TRACE", flags->trace, "Trace folder of all, content or generated positions")
      ->required();
  command->add_option("-o,--out", flags->out, "Folder to write")->required()->type_name("FOLDER");
  command->add_flag("--overwrite", flags->overwrite, "Replace what is there");
  command
      ->add_option("--committee", flags->committee, "Audit whose committee is asked about (the trace's own)")
      ->type_name("AUDIT");
  command->add_option("--set", flags->set, "committee, core or stable (committee)")
      ->check(one_of({"committee", "core", "stable"}));
  auto& roles = flags->roles;
  command->add_option("--min-domains", roles.min_domains, "Domains that a marked token needs (3)")
      ->check(CLI::Range(1, 1000000));
  command->add_option("--min-count", roles.min_count, "Times in each of them (5)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 31));
  command->add_option("--top", roles.top, "Tokens listed an expert, beside the marked ones (50)")
      ->check(CLI::Range(0, 100000000));
  command->add_option("--shuffles", roles.shuffles, "Shuffles of the tokens inside samples, 0 for none (50)")
      ->check(CLI::Range(0, 100000));
  command->add_option("--classes", flags->classes, "Word lists: CSV token,class (built in)")
      ->type_name("FILE");
  command->add_option("--tokenizer", flags->tokenizer, "Folder with the tokenizer.json, or the file")
      ->type_name("FOLDER");
  add_rule_flags(*command, flags->audit.statistics);
  command
      ->add_option("--k", flags->audit.statistics.k, "Experts that count as a domain's top (the model's own)")
      ->check(CLI::Range(1, 65535));
  add_permutations_flag(*command, flags->audit.statistics.permutations);
  add_bootstrap_flag(*command, flags->audit.statistics.bootstrap);
  add_audited_rows_flags(*command, flags->audit);
  add_machine_flags(*command, flags->audit.machine);
  add_terminal_flags(*command, flags->audit.terminal);
  add_json_flag(*command, flags->audit.terminal);
  add_seed_flag(*command, flags->audit.seed);
  command->callback([flags, &job] { job = [flags] { run_roles(*flags); }; });
}

}  // namespace committee::cli
