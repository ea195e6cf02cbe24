#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "audit/result.h"
#include "interventions/analysis.h"

namespace committee::cli {

// Which sets of experts an experiment is about, and how many controls stand beside each.
struct SetFlags {
  std::filesystem::path committee;  // an audit folder
  std::string experts;              // or the experts themselves
  std::vector<std::string> sets = {"committee"};
  std::vector<int> layers;
  bool together = false;
  int controls = 20;
  std::optional<int> matched;  // as many as `controls` unless said

  int matched_count() const { return matched.value_or(controls); }
};

void add_set_flags(CLI::App& app, SetFlags& flags);

// The sets of an audit, `where` for errors. Throws Error where the layers asked for have none, or an audit
// without a bootstrap is asked for stable sets.
std::vector<interventions::ExpertSet> sets_of_audit(const audit::AuditResult& audit, const std::string& where,
                                                    const SetFlags& flags);

// What --experts or --committee name; `fingerprint` and `model` are those of the model that they must belong
// to.
std::vector<interventions::ExpertSet> named_sets(const SetFlags& flags, const std::string& fingerprint,
                                                 const std::string& model);

// All layers that the sets touch.
std::map<int, std::vector<int>> touched_layers(const std::vector<interventions::ExpertSet>& sets);

}  // namespace committee::cli
