#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>

#include "base/atomic_file.h"
#include "base/csv.h"
#include "base/error.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/experiment.h"
#include "cli/manifest.h"
#include "cli/parse.h"
#include "cli/progress.h"
#include "interventions/analysis.h"
#include "interventions/controls.h"
#include "report/audit_files.h"
#include "report/masking.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using interventions::ExpertSet;
using interventions::Kind;
using OrderedJson = nlohmann::ordered_json;

constexpr const char* kFormat = "committee-audit mask";

struct Flags {
  CaptureFlags capture;
  OutputFlags output;
  fs::path committee;
  std::string experts;
  std::vector<std::string> sets = {"committee"};
  std::vector<int> layers;
  bool together = false, shared = false, attention_only = false, always_on = false;
  int controls = 20, bootstrap = 200;
};

void check_flags(const Flags& flags) {
  if (flags.committee.empty() == flags.experts.empty())
    throw Error("mask needs the experts: either --committee AUDIT or --experts \"LAYER:IDS;…\"");
  if (!flags.capture.recording.score) throw Error("--no-score does not go with mask, which compares scores");
  if (flags.capture.recording.positions == "generated")
    throw Error("--positions generated does not go with mask, which scores the token after the prompt");
  if (flags.always_on && (flags.shared || flags.attention_only))
    throw Error("--always-on does not go with --mask-shared or --attention-only");
}

// Every layer on its own, or all together, as one set.
void add_sets(std::vector<ExpertSet>& sets, const std::string& name, Kind kind,
              const std::map<int, std::vector<int>>& experts, bool together) {
  if (together) {
    sets.push_back({name, kind, experts});
  } else {
    for (const auto& [layer, ids] : experts) sets.push_back({name, kind, {{layer, ids}}});
  }
}

// The layers to mask; all that have members where none are named.
std::map<int, std::vector<int>> at_layers(const std::map<int, std::vector<int>>& all,
                                          const std::vector<int>& layers, const std::string& what) {
  if (layers.empty()) {
    if (all.empty()) throw Error("{}: no layer has any", what);
    return all;
  }
  std::map<int, std::vector<int>> chosen;
  for (const int layer : layers) {
    const auto found = all.find(layer);
    if (found == all.end()) throw Error("{}: layer {} has none", what, layer);
    chosen.insert(*found);
  }
  return chosen;
}

std::map<int, std::vector<int>> members_of(const audit::AuditResult& audit, const std::string& name) {
  std::map<int, std::vector<int>> members;
  for (const auto& layer : audit.layers) {
    const std::vector<int> ids = name == "committee" ? layer.committee
                                 : name == "core"    ? layer.core
                                                     : layer.stable.value_or(std::vector<int>());
    if (!ids.empty()) members[layer.layer] = ids;
  }
  return members;
}

std::vector<ExpertSet> chosen_sets(const Flags& flags, const Setup& setup) {
  std::vector<ExpertSet> sets;
  std::map<int, std::vector<int>> used;
  if (!flags.experts.empty()) {
    used = at_layers(parse_expert_sets(flags.experts), flags.layers, "--experts");
    add_sets(sets, "given", Kind::kGiven, used, flags.together);
  } else {
    const auto audit = report::read_audit(flags.committee);
    if (audit.model.fingerprint != setup.model.fingerprint())
      throw Error("{}: is the audit of another model ({}), not of {}", flags.committee.string(),
                  audit.model.name, flags.capture.model);
    for (const std::string& name : flags.sets) {
      const Kind kind = name == "committee" ? Kind::kCommittee : name == "core" ? Kind::kCore : Kind::kStable;
      const auto experts = at_layers(members_of(audit, name), flags.layers,
                                     fmt::format("{}: {} members", flags.committee.string(), name));
      used.insert(experts.begin(), experts.end());
      add_sets(sets, name, kind, experts, flags.together);
    }
  }
  std::map<int, std::vector<int>> whole;
  for (const auto& [layer, ids] : used) whole[layer] = {};
  if (flags.shared) add_sets(sets, "shared", Kind::kShared, whole, flags.together);
  if (flags.attention_only) add_sets(sets, "attention-only", Kind::kAttentionOnly, whole, flags.together);
  return sets;
}

engine::RoutingPolicy policy_of(const ExpertSet& set, const engine::RoutingPolicy& plain, bool always_on) {
  engine::RoutingPolicy policy = plain;
  for (const auto& [layer, ids] : set.experts) {
    if (set.kind == Kind::kShared) {
      policy.without_shared.insert(layer);
    } else if (set.kind == Kind::kAttentionOnly) {
      policy.without_routed.insert(layer);
    } else {
      std::vector<int>& to = (always_on ? policy.always : policy.masked)[layer];
      to.insert(to.end(), ids.begin(), ids.end());
    }
  }
  return policy;
}

// Adds the controls of every set that names experts, and how much each set serves in the plain model.
class Controls {
 public:
  Controls(const Flags& flags, const Setup& setup, std::vector<std::vector<double>> frequency)
      : flags_(flags), setup_(setup), frequency_(std::move(frequency)) {}

  std::vector<ExpertSet> with_controls(const std::vector<ExpertSet>& chosen) const {
    std::vector<ExpertSet> sets = {{"unmasked", Kind::kNone}};
    for (const ExpertSet& set : chosen) {
      const auto target = static_cast<int>(sets.size());
      sets.push_back(set);
      sets.back().slot_share = slot_share(set);
      if (set.kind == Kind::kShared || set.kind == Kind::kAttentionOnly) continue;
      for (const Kind kind : {Kind::kMatched, Kind::kRandom}) add(sets, set, target, kind);
    }
    return sets;
  }

 private:
  size_t index_of(int layer) const {
    const auto& layers = setup_.model.config().moe_layers;
    return static_cast<size_t>(std::find(layers.begin(), layers.end(), layer) - layers.begin());
  }

  std::optional<double> slot_share(const ExpertSet& set) const {
    double own = 0, all = 0;
    for (const auto& [layer, ids] : set.experts) {
      for (const double f : frequency_[index_of(layer)]) all += f;
      for (const int id : ids) own += frequency_[index_of(layer)][static_cast<size_t>(id)];
    }
    if (all == 0 || set.kind == Kind::kShared || set.kind == Kind::kAttentionOnly) return std::nullopt;
    return own / all;
  }

  std::vector<std::vector<int>> at_layer(int layer, const std::vector<int>& members, Kind kind) const {
    const interventions::Allowed allowed = [&](const std::vector<int>& ids) {
      try {
        engine::validate(policy_of({"", kind, {{layer, ids}}}, setup_.policy, flags_.always_on),
                         setup_.model.config());
        return true;
      } catch (const Error&) {
        return false;
      }
    };
    const auto& frequency = frequency_[index_of(layer)];
    if (kind == Kind::kMatched)
      return interventions::matched_sets(frequency, members, flags_.controls, allowed);
    Random random(flags_.capture.seed, static_cast<uint64_t>(layer));
    return interventions::random_sets(static_cast<int>(frequency.size()), members, flags_.controls, random,
                                      allowed);
  }

  void add(std::vector<ExpertSet>& sets, const ExpertSet& set, int target, Kind kind) const {
    std::map<int, std::vector<std::vector<int>>> by_layer;
    size_t count = static_cast<size_t>(flags_.controls);
    for (const auto& [layer, ids] : set.experts) {
      by_layer[layer] = at_layer(layer, ids, kind);
      count = std::min(count, by_layer[layer].size());
    }
    for (size_t i = 0; i < count; ++i) {
      ExpertSet control{fmt::format("{}/{}-{}", set.name, interventions::name_of(kind), i + 1), kind};
      control.target = target;
      for (const auto& [layer, controls] : by_layer) control.experts[layer] = controls[i];
      control.slot_share = slot_share(control);
      sets.push_back(std::move(control));
    }
  }

  const Flags& flags_;
  const Setup& setup_;
  std::vector<std::vector<double>> frequency_;
};

// Outcomes on disk while an experiment runs, a line each: variant, sample and what the question gave.
class Journal {
 public:
  Journal(fs::path file, interventions::OutcomeTable& outcomes)
      : file_(std::move(file)), outcomes_(outcomes), written_(outcomes.variants() * outcomes.samples()) {}

  void load() {
    std::ifstream in(file_);
    for (std::string line; std::getline(in, line) && !in.eof();) {
      std::istringstream fields(line);
      size_t variant = 0, sample = 0;
      int answer = 0;
      interventions::Outcome outcome;
      if (!(fields >> variant >> sample >> answer >> outcome.letter >> outcome.answer_logprob >> outcome.kl))
        continue;
      if (variant >= outcomes_.variants() || sample >= outcomes_.samples() || answer < 0 || answer > 2)
        throw Error("{}: does not fit the experiment", file_.string());
      outcome.answer = static_cast<interventions::Answer>(answer);
      outcomes_.at(variant, sample) = outcome;
      written_[variant * outcomes_.samples() + sample] = true;
    }
  }

  void append() {
    std::ofstream out(file_, std::ios::app);
    for (size_t v = 0; v < outcomes_.variants(); ++v) {
      for (size_t s = 0; s < outcomes_.samples(); ++s) {
        const auto& cell = outcomes_.at(v, s);
        const size_t at = v * outcomes_.samples() + s;
        if (!cell || written_[at]) continue;
        out << fmt::format("{} {} {} {} {} {}\n", v, s, static_cast<int>(cell->answer), cell->letter,
                           cell->answer_logprob, cell->kl);
        written_[at] = true;
      }
    }
    if (!out.flush()) throw Error("{}: cannot write", file_.string());
  }

 private:
  fs::path file_;
  interventions::OutcomeTable& outcomes_;
  std::vector<bool> written_;
};

interventions::Questions questions_of(const Setup& setup) {
  interventions::Questions questions;
  for (const auto& sequence : setup.prompts.sequences) {
    if (!sequence.wants_logits) continue;
    const auto index = static_cast<size_t>(sequence.sample);
    const auto& sample = setup.prompts.data.samples[index];
    questions.samples.push_back(index);
    questions.domains.push_back(sample.domain);
    questions.answers.push_back(*sample.answer);
    questions.choices.push_back(static_cast<int>(sample.choices.size()));
  }
  return questions;
}

std::string outcomes_csv(const std::vector<ExpertSet>& sets, const interventions::OutcomeTable& outcomes,
                         const interventions::Questions& questions, const Setup& setup) {
  CsvWriter csv({"layer", "set", "kind", "sample", "id", "domain", "outcome", "letter", "answer",
                 "answer_logprob", "kl"});
  for (size_t v = 0; v < sets.size(); ++v) {
    for (size_t q = 0; q < questions.samples.size(); ++q) {
      const size_t s = questions.samples[q];
      const auto& outcome = *outcomes.at(v, s);
      csv.add(report::layers_text(sets[v])).add(sets[v].name).add(interventions::name_of(sets[v].kind));
      csv.add(static_cast<int64_t>(s)).add(setup.prompts.data.samples[s].id).add(questions.domains[q]);
      csv.add(interventions::kAnswerNames[static_cast<size_t>(outcome.answer)]);
      csv.add(outcome.letter).add(questions.answers[q]).add(outcome.answer_logprob).add(outcome.kl);
      csv.end_row();
    }
  }
  return csv.text();
}

// What shapes the outcomes, so that a resumed experiment is the same one.
OrderedJson description(const Flags& flags, const Setup& setup, const std::vector<ExpertSet>& chosen) {
  const auto manifest =
      manifest_of(flags.capture, setup.model, setup.prompts, setup.compute == engine::Compute::kBF16);
  OrderedJson options;
  for (const auto& [name, value] : manifest.recording.options) options[name] = value;
  std::vector<std::string> sets;
  for (const ExpertSet& set : chosen)
    sets.push_back(fmt::format("{} {} {}", set.name, report::layers_text(set), report::experts_text(set)));
  options["sets"] = sets;
  options["controls"] = flags.controls;
  options["mask-mode"] = flags.capture.recording.mask_mode;
  options["positions"] = flags.capture.recording.positions;
  options["always-on"] = flags.always_on;
  return {
      {"format", kFormat},
      {"version", kVersion},
      {"command", command_line_text()},
      {"complete", false},
      {"model", {{"name", manifest.model.name}, {"fingerprint", manifest.model.fingerprint}}},
      {"data", {{"name", manifest.recording.dataset}, {"fingerprint", manifest.recording.data_fingerprint}}},
      {"options", options}};
}

// Whether the folder holds this very experiment, finished. Throws Error, naming what changed, for another.
bool is_finished(const fs::path& file, const OrderedJson& wanted) {
  const Json there = read_json(file);
  if (!there.is_object() || there.value("format", "") != kFormat)
    throw Error("{}: is no file of this command", file.string());
  for (const char* part : {"version", "model", "data", "options"}) {
    const Json want = Json(wanted.at(part)), have = there.value(part, Json());
    if (want == have) continue;
    std::string changed = part;
    if (want.is_object() && have.is_object()) {
      for (const auto& [name, value] : want.items()) {
        if (have.value(name, Json()) != value) changed = fmt::format("{} \"{}\"", part, name);
      }
    }
    throw Error("{}: cannot be resumed: its {} is another; --overwrite starts anew", file.string(), changed);
  }
  return there.value("complete", false);
}

OrderedJson sets_json(const std::vector<interventions::SetResult>& results) {
  OrderedJson json = OrderedJson::array();
  for (const auto& result : results) {
    OrderedJson experts = OrderedJson::object();
    for (const auto& [layer, ids] : result.set.experts) experts[std::to_string(layer)] = ids;
    json.push_back({{"name", result.set.name},
                    {"kind", interventions::name_of(result.set.kind)},
                    {"experts", experts},
                    {"control_of", result.set.target >= 0 ? OrderedJson(result.set.target) : OrderedJson()}});
  }
  return json;
}

void write_json(const fs::path& file, const OrderedJson& json) { write_file(file, json.dump(1) + "\n"); }

void run_mask(const Flags& flags) {
  check_flags(flags);
  check_output(flags.output);
  const fs::path out = flags.output.out, file = out / "mask.json", partial = out / "outcomes.partial";
  const Setup setup(flags.capture);
  const int64_t scored = count_scored(setup);
  const std::vector<ExpertSet> chosen = chosen_sets(flags, setup);
  for (const ExpertSet& set : chosen)
    engine::validate(policy_of(set, setup.policy, flags.always_on), setup.model.config());
  OrderedJson json = description(flags, setup, chosen);
  const bool resumes = flags.output.resume && fs::exists(file);
  if (resumes && is_finished(file, json)) {
    say(flags.capture.terminal, fmt::format("{}: is complete already", out.string()));
    return;
  }
  if (const auto left = setup.prompts.sequences.size() - static_cast<size_t>(scored); left > 0)
    say(flags.capture.terminal, fmt::format("warning: {} samples have no answer and are left out", left));

  Experiment experiment(setup);
  const auto sets = Controls(flags, setup, experiment.executed_frequencies()).with_controls(chosen);
  fs::create_directories(out);
  interventions::OutcomeTable outcomes(sets.size(), setup.prompts.sequences.size());
  Journal journal(partial, outcomes);
  if (resumes) {
    journal.load();
  } else {
    fs::remove(partial);
  }
  write_json(file, json);
  std::vector<Arm> arms;
  for (const ExpertSet& set : sets) arms.push_back({policy_of(set, setup.policy, flags.always_on), nullptr});
  experiment.run(arms, outcomes, [&] { journal.append(); });

  const auto kind = flags.always_on ? interventions::Experiment::kAlways : interventions::Experiment::kMask;
  const auto questions = questions_of(setup);
  ThreadPool pool(flags.capture.machine.thread_count());
  const auto results =
      interventions::analyse(sets, outcomes, questions, kind, flags.bootstrap, flags.capture.seed, pool);
  const auto sentences = interventions::sentences(results, kind);
  write_file(out / "masking.csv", report::masking_csv(results));
  write_file(out / "outcomes.csv", outcomes_csv(sets, outcomes, questions, setup));
  const ExperimentWork& work = experiment.work();
  json["complete"] = true;
  json["questions"] = questions.samples.size();
  json["sets"] = sets_json(results);
  json["sentences"] = sentences;
  json["work"] = {{"rows", work.rows},
                  {"naive_rows", work.naive_rows},
                  {"prefix_sharing_rows", work.sharing_rows},
                  {"passes", work.passes},
                  {"resumed", resumes}};
  write_json(file, json);
  fs::remove(partial);
  fmt::print("{}", report::masking_table(results, flags.capture.terminal.style()));
  for (const std::string& sentence : sentences) fmt::print("  ● {}\n", sentence);
  fmt::print("  {} rows computed; one by one {} ({} with shared prefixes)\n", work.rows, work.naive_rows,
             work.sharing_rows);
}

}  // namespace

void add_mask(CLI::App& app, Job& job) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("mask", "What a model loses without a set of experts, beside control sets");
  flags->capture.recording.positions = "all";
  add_capture_flags(*command, flags->capture);
  for (const char* name : {"--max-new-tokens", "--record", "--record-dtype", "--until-stable", "--round"})
    command->remove_option(command->get_option(name));
  command->get_option("--positions")
      ->description("Tokens whose executed experts count for matching: last, all or content (all)");
  add_output_flags(*command, flags->output);
  command->add_option("--committee", flags->committee, "Mask the committees of this audit")
      ->type_name("AUDIT");
  command->add_option("--experts", flags->experts, "Mask these, as 10:3,17;26:5")->type_name("LAYER:IDS;…");
  command->add_option("--set", flags->sets, "Of the audit: committee, core, stable (committee)")
      ->delimiter(',')
      ->type_name("LIST")
      ->check(CLI::IsMember({"committee", "core", "stable"}));
  command->add_option("--layers", flags->layers, "Layers to mask, each on its own (all that have members)")
      ->delimiter(',')
      ->type_name("LIST");
  command->add_flag("--together", flags->together, "All layers at once");
  command->add_option("--controls", flags->controls, "Random and frequency-matched sets beside each (20)")
      ->check(CLI::Range(0, 100000));
  command->add_flag("--mask-shared", flags->shared, "Also without the shared experts of those layers");
  command->add_flag("--attention-only", flags->attention_only,
                    "Also without any routed expert of those layers");
  command->add_flag("--always-on", flags->always_on, "Execute the sets for every token instead");
  command->add_option("--bootstrap", flags->bootstrap, "Bootstrap replicates, 0 for none (200)")
      ->check(CLI::Range(0, 1000000));
  command->callback([flags, &job] { job = [flags] { run_mask(*flags); }; });
}

}  // namespace committee::cli
