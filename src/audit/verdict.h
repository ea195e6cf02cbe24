#pragma once

#include "audit/result.h"

namespace committee::audit {

// Adds the verdict of every layer and of the whole by the rules of docs/interpretation.md. Figures, intervals
// and warnings must stand.
void add_verdicts(AuditResult& result);

// METHOD 10's rule for adaptive sampling: bootstrap committees of a layer agree when the mean Jaccard of
// their pairs is at least 0.95; the sample suffices when at least 95% of the layers do. Needs an audit with a
// bootstrap.
struct Stability {
  double stable_layers = 0;  // share of layers that agree
  double agreement = 0;      // mean over layers
  bool enough = false;
};
Stability stability_of(const AuditResult& result);

}  // namespace committee::audit
