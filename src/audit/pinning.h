#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "audit/options.h"
#include "audit/result.h"
#include "trace/reader.h"

// Which experts to keep in fast memory. The hit rate of a set of experts is the share of executed slots that
// it serves, mean over domains; all experts of a model take the same room, so the n most executed of all
// layers are the optimum.
namespace committee::audit {

// How the kept experts are chosen, from the executed slots of training samples. Shares of slots are means
// over domains where nothing else is said.
enum class PinPlan {
  kGlobal,      // those with the largest share, whatever their layer
  kEqualSplit,  // as many in each layer, those with the largest share there
  kFrequency,   // as kGlobal by counts over all samples, domains weighing by their size
  kCommittee,   // the committees of --eci frequency, then the rest of the cores, then as kGlobal
  kPerDomain,   // a set of its own for each domain, as kGlobal on that domain alone
};

struct PinOptions {
  int64_t experts = 0;              // to keep, of L·E
  PinPlan plan = PinPlan::kGlobal;  // which one is exported
  int folds = 5;                    // of held-out samples
  int random_sets = 200;
};

struct HitRate {
  std::optional<double> value;
  std::optional<Interval> interval;  // bootstrap over samples; over the sets for random ones
};

// On samples of known domains that the plan has not seen (cross-validation inside each domain), and on
// domains that it has not seen (each left out in turn). kPerDomain on a domain left out: mean of the others'
// sets.
struct PlanRates {
  std::string name;  // name_of(PinPlan), or "random"
  HitRate samples, domains;
  HitRate less_samples, less_domains;  // the exported plan less this one, on the same draws
};

struct DomainRate {
  std::string name;
  std::optional<double> samples, left_out;  // of the exported plan
};

struct PinResult {
  PinOptions options;
  std::vector<std::vector<int>> kept;  // [L] ids, ascending: the exported plan, from all samples
  std::vector<double> layer_rates;     // [L] share of the layer's slots that they serve on these samples
  double rate = 0;                     // of all slots on these samples: not held out
  std::vector<PlanRates> plans;        // the exported one first, random last
  std::vector<DomainRate> domains;
  int64_t samples = 0;
  int k = 0;
};

const char* name_of(PinPlan plan);

// `audit` gives positions, domains, k, gamma, bootstrap, seed and threads. Streams the trace twice; the same
// result whatever the threads. Throws Error where there are more experts to keep than the model has, or none.
PinResult pin_experts(const trace::Trace& trace, const AuditOptions& audit, const PinOptions& options);

}  // namespace committee::audit
