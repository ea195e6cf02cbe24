#pragma once

#include <vector>

#include "audit/grouping.h"
#include "audit/observe.h"
#include "audit/result.h"

namespace committee::audit {

// What can make a committee, or hide one, that is none of the model's. Codes:
//   same-last-token          last positions: the prompts end in the same token
//   same-last-routing        last positions: nearly all routing goes to the same experts whatever the sample
//   shared-prefix            all positions: most of the tokens are a prefix that a group's samples share;
//                            where tokens are not known, groups whose samples are nearly copies of one
//                            another
//   dominant-domain          one domain holds most samples
//   few-samples              domains with fewer than 30 samples
//   large-k                  k ≥ E/2: sets overlap by arithmetic
//   constant-set             one k-set takes more than 95% of the slots, evenly, in most layers
//   equal-counts             every expert of a layer is executed equally often
//   identical-layers         layers with the same contributions
//   rows-not-one             distributions that do not sum to 1
//   softmax-twice            distributions as flat as a softmax of probabilities
//   unaudited-samples        samples without an audited row
struct WarningInput {
  const AuditResult& result;
  const SampleReader& reader;
  const Grouping& grouping;
  const std::vector<LayerObservation>& observations;
};
std::vector<Warning> find_warnings(const WarningInput& input);

// Whether a warning of this code says that the data, not the model, may have made the committee.
bool manufactures(const Warning& warning);

}  // namespace committee::audit
