#include "cli/set_flags.h"

#include "base/error.h"
#include "cli/flags.h"
#include "cli/parse.h"
#include "interventions/control_sets.h"
#include "report/audit_files.h"

namespace committee::cli {
namespace {

using interventions::ExpertSet;
using interventions::Kind;

// The layers to take; all that have members where none are named.
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
    if (!chosen.insert(*found).second) throw Error("--layers: {} is there twice", layer);
  }
  return chosen;
}

Kind kind_named(const std::string& name) {
  return name == "committee" ? Kind::kCommittee : name == "core" ? Kind::kCore : Kind::kStable;
}

std::map<int, std::vector<int>> members_of(const audit::AuditResult& audit, Kind kind,
                                           const std::string& where) {
  std::map<int, std::vector<int>> members;
  for (const auto& layer : audit.layers) {
    if (kind == Kind::kStable && !layer.stable)
      throw Error("{}: has no stable sets: it was made without a bootstrap", where);
    const std::vector<int>& ids = kind == Kind::kCommittee ? layer.committee
                                  : kind == Kind::kCore    ? layer.core
                                                           : *layer.stable;
    if (!ids.empty()) members[layer.layer] = ids;
  }
  return members;
}

}  // namespace

std::vector<ExpertSet> sets_of_audit(const audit::AuditResult& audit, const std::string& where,
                                     const SetFlags& flags) {
  std::vector<ExpertSet> sets;
  for (const std::string& name : flags.sets) {
    const Kind kind = kind_named(name);
    const auto experts =
        at_layers(members_of(audit, kind, where), flags.layers, fmt::format("{}: {} members", where, name));
    interventions::add_sets(sets, name, kind, experts, flags.together);
  }
  return sets;
}

std::vector<ExpertSet> named_sets(const SetFlags& flags, const std::string& fingerprint,
                                  const std::string& model) {
  if (!flags.experts.empty()) {
    std::vector<ExpertSet> sets;
    const auto experts = at_layers(parse_expert_sets(flags.experts), flags.layers, "--experts");
    interventions::add_sets(sets, "given", Kind::kGiven, experts, flags.together);
    return sets;
  }
  const auto audit = report::read_audit(flags.committee);
  if (audit.model.fingerprint != fingerprint)
    throw Error("{}: is the audit of another model ({}), not of {}", flags.committee.string(),
                audit.model.name, model);
  return sets_of_audit(audit, flags.committee.string(), flags);
}

std::map<int, std::vector<int>> touched_layers(const std::vector<ExpertSet>& sets) {
  std::map<int, std::vector<int>> layers;
  for (const ExpertSet& set : sets) {
    for (const auto& [layer, ids] : set.experts) layers[layer] = {};
  }
  return layers;
}

void add_set_flags(CLI::App& app, SetFlags& flags) {
  app.add_option("--committee", flags.committee, "The committees of this audit")->type_name("AUDIT");
  app.add_option("--experts", flags.experts, "These experts, as 10:3,17;26:5")->type_name("LAYER:IDS;…");
  app.add_option("--set", flags.sets, "Of the audit: committee, core, stable (committee)")
      ->delimiter(',')
      ->type_name("LIST")
      ->check(one_of({"committee", "core", "stable"}));
  app.add_option("--layers", flags.layers, "Layers, each on its own (all that have members)")
      ->delimiter(',')
      ->type_name("LIST");
  app.add_flag("--together", flags.together, "All layers at once");
  app.add_option("--controls", flags.controls, "Random sets beside each, and as many matched ones (20)")
      ->check(CLI::Range(0, 100000));
  app.add_option("--matched", flags.matched, "Frequency-matched sets beside each (as many as --controls)")
      ->check(CLI::Range(0, 100000));
}

}  // namespace committee::cli
