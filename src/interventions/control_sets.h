#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "interventions/analysis.h"

namespace committee::interventions {

// How control sets are drawn for the sets of an experiment.
struct ControlPlan {
  std::vector<int> layers;                     // the MoE layers' ids
  std::vector<std::vector<double>> frequency;  // [layers][experts]: share of tokens that execute the expert
  int random = 20, matched = 20;               // how many of each kind beside every set
  uint64_t seed = 0;
  // Whether these experts of a layer can be masked (or always executed); empty: any can.
  std::function<bool(int layer, const std::vector<int>& ids)> allowed = {};
};

// The sets with their slot shares, each that names experts followed by its controls, matched ones first
// ("NAME/matched-3", `target` the index of the set). A set of several layers has controls made of one of each
// layer. Fewer controls where there are not as many sets.
std::vector<ExpertSet> with_controls(const std::vector<ExpertSet>& sets, const ControlPlan& plan);

// Every layer on its own, or all together, as one set.
void add_sets(std::vector<ExpertSet>& sets, const std::string& name, Kind kind,
              const std::map<int, std::vector<int>>& experts, bool together);

}  // namespace committee::interventions
