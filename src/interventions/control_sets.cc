#include "interventions/control_sets.h"

#include <fmt/format.h>

#include <algorithm>

#include "interventions/controls.h"

namespace committee::interventions {
namespace {

bool names_experts(Kind kind) {
  return kind == Kind::kCommittee || kind == Kind::kCore || kind == Kind::kStable || kind == Kind::kGiven ||
         kind == Kind::kRandom || kind == Kind::kMatched;
}

class Controls {
 public:
  explicit Controls(const ControlPlan& plan) : plan_(plan) {}

  std::optional<double> slot_share(const ExpertSet& set) const {
    if (!names_experts(set.kind)) return std::nullopt;
    double own = 0, all = 0;
    for (const auto& [layer, ids] : set.experts) {
      for (const double f : frequency(layer)) all += f;
      for (const int id : ids) own += frequency(layer)[static_cast<size_t>(id)];
    }
    return all > 0 ? std::optional(own / all) : std::nullopt;
  }

  void add(std::vector<ExpertSet>& sets, const ExpertSet& set, int target, Kind kind) const {
    std::map<int, std::vector<std::vector<int>>> by_layer;
    size_t count = static_cast<size_t>(wanted(kind));
    for (const auto& [layer, ids] : set.experts) {
      by_layer[layer] = at_layer(layer, ids, kind);
      count = std::min(count, by_layer[layer].size());
    }
    for (size_t i = 0; i < count; ++i) {
      ExpertSet control{fmt::format("{}/{}-{}", set.name, name_of(kind), i + 1), kind};
      control.target = target;
      for (const auto& [layer, controls] : by_layer) control.experts[layer] = controls[i];
      control.slot_share = slot_share(control);
      sets.push_back(std::move(control));
    }
  }

 private:
  const std::vector<double>& frequency(int layer) const {
    const auto at = std::find(plan_.layers.begin(), plan_.layers.end(), layer) - plan_.layers.begin();
    return plan_.frequency.at(static_cast<size_t>(at));
  }

  int wanted(Kind kind) const { return kind == Kind::kMatched ? plan_.matched : plan_.random; }

  std::vector<std::vector<int>> at_layer(int layer, const std::vector<int>& members, Kind kind) const {
    const Allowed allowed = [&](const std::vector<int>& ids) {
      return !plan_.allowed || plan_.allowed(layer, ids);
    };
    const auto& own = frequency(layer);
    if (kind == Kind::kMatched) return matched_sets(own, members, plan_.matched, allowed);
    Random random(plan_.seed, static_cast<uint64_t>(layer));
    return random_sets(static_cast<int>(own.size()), members, plan_.random, random, allowed);
  }

  const ControlPlan& plan_;
};

}  // namespace

std::vector<ExpertSet> with_controls(const std::vector<ExpertSet>& chosen, const ControlPlan& plan) {
  const Controls controls(plan);
  std::vector<ExpertSet> sets;
  for (const ExpertSet& set : chosen) {
    const auto target = static_cast<int>(sets.size());
    sets.push_back(set);
    sets.back().slot_share = controls.slot_share(set);
    if (!names_experts(set.kind)) continue;
    for (const Kind kind : {Kind::kMatched, Kind::kRandom}) controls.add(sets, set, target, kind);
  }
  return sets;
}

void add_sets(std::vector<ExpertSet>& sets, const std::string& name, Kind kind,
              const std::map<int, std::vector<int>>& experts, bool together) {
  if (together) {
    sets.push_back({name, kind, experts});
  } else {
    for (const auto& [layer, ids] : experts) sets.push_back({name, kind, {{layer, ids}}});
  }
}

}  // namespace committee::interventions
