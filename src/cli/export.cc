#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "audit/placement.h"
#include "base/atomic_file.h"
#include "base/error.h"
#include "cli/audit.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/parse.h"
#include "model/summary.h"
#include "model/weights.h"
#include "report/audit_files.h"
#include "report/export_files.h"
#include "trace/reader.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char *kTensorrtLoads = "rank0.safetensors", *kTensorrtMeta = "meta_info.json";

struct Flags {
  fs::path audit, out, trace;
  std::string kind, model, bytes, expert_bytes;
  std::optional<int> slots, devices, per_layer;
  std::optional<int> folds, bootstrap;
  std::optional<uint64_t> seed;
  bool overwrite = false;
  MachineFlags machine;
  TerminalFlags terminal;
};

// Flags that would change nothing are refused rather than passed over.
void check_flags(const Flags& flags) {
  const auto only = [&](bool given, const char* flag, const char* kind) {
    if (given && flags.kind != kind) throw Error("{} goes with --to {} only", flag, kind);
  };
  only(!flags.bytes.empty(), "--bytes", "pinning");
  only(!flags.expert_bytes.empty(), "--expert-bytes", "pinning");
  only(flags.per_layer.has_value(), "--experts-per-layer", "pinning");
  only(flags.bootstrap.has_value(), "--bootstrap", "pinning");
  only(flags.seed.has_value(), "--seed", "pinning");
  only(flags.folds.has_value(), "--folds", "pinning");
  only(flags.overwrite, "--overwrite", "tensorrt-llm");
  only(flags.slots.has_value(), "--slots", "sglang");
  only(flags.devices.has_value(), "--gpus", "sglang");
  if (!flags.model.empty() && flags.kind != "sglang" && flags.kind != "pinning") {
    throw Error("--model goes with --to sglang and --to pinning only");
  }
  if (!flags.trace.empty() && flags.kind == "authors") {
    throw Error("--trace does not go with --to authors: the audit holds all of it");
  }
  if (flags.slots.has_value() != flags.devices.has_value()) {
    throw Error("--slots and --gpus go together: a map of physical experts needs both");
  }
  if (flags.kind == "pinning" && flags.bytes.empty() == !flags.per_layer) {
    throw Error("--to pinning takes --bytes or --experts-per-layer, one of them");
  }
}

// The trace that an audit was made from: --trace, or the one beside the audit as `run` leaves it.
trace::Trace trace_of(const Flags& flags, const audit::AuditResult& audit) {
  auto folder = fs::is_directory(flags.audit) ? flags.audit : flags.audit.parent_path();
  if (!folder.has_filename()) folder = folder.parent_path();
  const fs::path path = flags.trace.empty() ? folder.parent_path() / "trace" : flags.trace;
  if (flags.trace.empty() && !fs::exists(path / "trace.json")) {
    throw Error("{}: holds no counts of executed experts: give the trace that it was made from by --trace",
                flags.audit.string());
  }
  auto trace = trace::Trace::open(path);
  const auto& manifest = trace.manifest();
  const bool same = manifest.model.fingerprint == audit.model.fingerprint &&
                    manifest.model.moe_layers == audit.model.moe_layers &&
                    manifest.model.experts == audit.model.experts &&
                    manifest.recording.data_fingerprint == audit.recording.data_fingerprint;
  if (!same) {
    throw Error("{}: is not the trace that {} was made from: its model or samples are others", path.string(),
                flags.audit.string());
  }
  return trace;
}

audit::AuditOptions options_of(const Flags& flags, const audit::AuditResult& audit) {
  audit::AuditOptions options = audit.options;
  options.threads = flags.machine.thread_count();
  options.bootstrap = flags.bootstrap.value_or(options.bootstrap);
  options.seed = flags.seed.value_or(options.seed);
  return options;
}

report::ExpertCounts counts_of(const Flags& flags, const audit::AuditResult& audit) {
  const auto trace = trace_of(flags, audit);
  report::ExpertCounts counts;
  counts.layers = audit.model.moe_layers;
  counts.experts = audit.model.experts;
  counts.k = audit.model.top_k;
  counts.counts = audit::slot_counts(trace, options_of(flags, audit));
  return counts;
}

fs::path model_folder(const std::string& name) {
  return fs::is_regular_file(name) ? fs::path(name) : model::find_model(name);
}

void export_eplb(const Flags& flags, const audit::AuditResult& audit) {
  const auto ending = flags.out.extension();
  if (ending != ".json" && ending != ".npy") {
    throw Error("{}: --to eplb writes .json or .npy, by the file's ending", flags.out.string());
  }
  const auto counts = counts_of(flags, audit);
  write_file(flags.out, ending == ".npy" ? report::eplb_npy(counts) : report::eplb_json(counts));
}

// SGLang's rows are all of the model's layers, and its file names end in .json.
void export_sglang(const Flags& flags, const audit::AuditResult& audit) {
  if (flags.out.extension() != ".json") {
    throw Error("{}: --to sglang writes a .json, which SGLang knows by its ending", flags.out.string());
  }
  int layers = audit.model.moe_layers.empty() ? 0 : audit.model.moe_layers.back() + 1;
  if (!flags.model.empty()) {
    const auto config = model::read_config(model_folder(flags.model));
    if (config.moe_layers != audit.model.moe_layers || config.router.experts != audit.model.experts) {
      throw Error("{}: has other MoE layers or experts than {}", flags.model, flags.audit.string());
    }
    layers = config.layers;
  }
  const auto counts = counts_of(flags, audit);
  if (!flags.slots) {
    write_file(flags.out, report::sglang_counts_json(counts, layers));
    return;
  }
  if (*flags.slots < counts.experts || *flags.slots % *flags.devices != 0) {
    throw Error("--slots {} must be at least the {} experts and a multiple of --gpus {}", *flags.slots,
                counts.experts, *flags.devices);
  }
  write_file(flags.out, report::sglang_map_json(counts, layers, *flags.slots, *flags.devices));
}

void export_tensorrt(const Flags& flags, const audit::AuditResult& audit) {
  const auto counts = counts_of(flags, audit);
  prepare_audit_folder(flags.out, flags.overwrite);
  write_file(flags.out / kTensorrtLoads, report::tensorrt_safetensors(counts));
  write_file(flags.out / kTensorrtMeta, report::tensorrt_meta_json(counts));
}

// Bytes of one routed expert's weights; 0 where nothing says.
uint64_t expert_bytes(const Flags& flags, const audit::AuditResult& audit) {
  if (!flags.expert_bytes.empty()) return parse_size(flags.expert_bytes);
  if (flags.model.empty()) return 0;
  const auto summary = model::summarise(model_folder(flags.model));
  if (summary.config.router.experts != audit.model.experts) {
    throw Error("{}: has {} experts a layer, {} has {}", flags.model, summary.config.router.experts,
                flags.audit.string(), audit.model.experts);
  }
  return summary.parameters.expert * static_cast<uint64_t>(summary.bytes_per_weight);
}

audit::PinOptions pin_options(const Flags& flags, const audit::AuditResult& audit,
                              const report::PinningContext& context) {
  audit::PinOptions options;
  options.folds = flags.folds.value_or(options.folds);
  const auto layers = std::ssize(audit.layers);
  if (flags.per_layer) {
    if (*flags.per_layer > audit.model.experts) {
      throw Error("--experts-per-layer {}: {} has {} experts a layer", *flags.per_layer, flags.audit.string(),
                  audit.model.experts);
    }
    options.plan = audit::PinPlan::kEqualSplit;
    options.experts = *flags.per_layer * layers;
    return options;
  }
  if (context.expert_bytes == 0) {
    throw Error("--bytes needs the size of an expert: --model MODEL (its config.json) or --expert-bytes");
  }
  const uint64_t fit = context.budget_bytes / context.expert_bytes;
  if (fit == 0) {
    throw Error("--bytes {} holds no expert: one takes {} bytes", flags.bytes, context.expert_bytes);
  }
  options.experts =
      static_cast<int64_t>(std::min<uint64_t>(fit, static_cast<uint64_t>(layers * audit.model.experts)));
  return options;
}

void export_pinning(const Flags& flags, const audit::AuditResult& audit) {
  report::PinningContext context;
  context.command = command_line_text();
  context.expert_bytes = expert_bytes(flags, audit);
  context.budget_bytes = flags.bytes.empty() ? 0 : parse_size(flags.bytes);
  const auto options = pin_options(flags, audit, context);
  const auto trace = trace_of(flags, audit);
  context.trace = trace.folder().string();
  audit::AuditResult as_used = audit;
  as_used.options = options_of(flags, audit);
  const auto plan = audit::pin_experts(trace, as_used.options, options);
  const std::string json = report::pinning_json(plan, as_used, context);
  write_file(flags.out, json);
  fmt::print("{}", flags.terminal.json
                       ? json
                       : report::pinning_text(plan, as_used, context, flags.terminal.style()));
}

struct Kind {
  const char* name;
  void (*write)(const Flags& flags, const audit::AuditResult& audit);
};
constexpr Kind kKinds[] = {
    {"eplb", &export_eplb},
    {"sglang", &export_sglang},
    {"tensorrt-llm", &export_tensorrt},
    {"pinning", &export_pinning},
    {"authors", [](const Flags& flags,
                   const audit::AuditResult& audit) { write_file(flags.out, report::authors_csv(audit)); }},
};

// What --json says where the file is for another program; a pinning plan is its own document.
void print_written(const Flags& flags, const audit::AuditResult& audit) {
  auto files = OrderedJson::array();
  if (fs::is_directory(flags.out)) {
    for (const char* name : {kTensorrtLoads, kTensorrtMeta}) files.push_back((flags.out / name).string());
  } else {
    files.push_back(flags.out.string());
  }
  OrderedJson document = json_head("export", audit.model);
  document.update({{"to", flags.kind},
                   {"files", std::move(files)},
                   {"positions", audit.positions},
                   {"samples", audit.samples},
                   {"moe_layers", audit.model.moe_layers},
                   {"experts", audit.model.experts}});
  print_json(document);
}

void run_export(const Flags& flags) {
  check_flags(flags);
  const auto audit = report::read_audit(flags.audit);
  std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& kind) {
    return kind.name == flags.kind;
  })->write(flags, audit);
  if (flags.terminal.json && flags.kind != "pinning") print_written(flags, audit);
}

}  // namespace

void add_export(CLI::App& app, Job& job) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("export", "Write what serving systems read: loads, places, plans");
  command->add_option("AUDIT", flags->audit, "Audit folder")->required();
  std::vector<std::string> kinds;
  for (const auto& kind : kKinds) kinds.emplace_back(kind.name);
  command->add_option("--to", flags->kind, "eplb, sglang, tensorrt-llm, pinning or authors")
      ->required()
      ->check(one_of(kinds));
  command->add_option("-o,--out", flags->out, "File to write; a folder for tensorrt-llm")
      ->required()
      ->type_name("FILE");
  command->add_flag("--overwrite", flags->overwrite, "tensorrt-llm: write into a folder that is not empty");
  command->add_option("--trace", flags->trace,
                      "Trace that the audit was made from (the one beside the audit)");
  command->add_option("--model", flags->model,
                      "Model, or its config.json: size of an expert, number of layers");
  command->add_option("--slots", flags->slots, "sglang: physical experts a layer; writes their map")
      ->check(CLI::Range(1, 65535));
  command->add_option("--gpus", flags->devices, "sglang: devices that the slots are shared out to")
      ->check(CLI::Range(1, 65535));
  command->add_option("--bytes", flags->bytes, "pinning: fast memory for experts, as 4G")
      ->type_name("SIZE")
      ->check(readable_size());
  command->add_option("--expert-bytes", flags->expert_bytes, "pinning: size of one expert (from --model)")
      ->type_name("SIZE")
      ->check(readable_size());
  command->add_option("--experts-per-layer", flags->per_layer, "pinning: as many of every layer")
      ->check(CLI::Range(1, 65535));
  command->add_option("--folds", flags->folds, "pinning: parts that samples are held out in (5)")
      ->check(CLI::Range(2, 1000));
  command->add_option("--bootstrap", flags->bootstrap, "pinning: replicates, 0 for none (the audit's)")
      ->check(CLI::Range(0, 1000000));
  command->add_option("--seed", flags->seed, "pinning: seed of all that is drawn (the audit's)");
  add_json_flag(*command, flags->terminal);
  add_machine_flags(*command, flags->machine);
  add_terminal_flags(*command, flags->terminal);
  command->callback([flags, &job] { job = [flags] { run_export(*flags); }; });
}

}  // namespace committee::cli
