#include "audit/checks.h"

#include <algorithm>
#include <tuple>

#include "base/error.h"

namespace committee::audit {

Rules rules_for(const trace::Trace& trace, const AuditOptions& options) {
  const auto& [model, recording] = std::tie(trace.manifest().model, trace.manifest().recording);
  const std::string name = trace.folder().string();
  const auto& allowed = recording.allowed_eci;
  if (std::find(allowed.begin(), allowed.end(), name_of(options.eci)) == allowed.end()) {
    throw Error("{}: --eci {} needs what this trace lacks, its source ({}) allows: {}", name,
                name_of(options.eci), recording.source, fmt::join(allowed, ", "));
  }
  const int k = options.k.value_or(model.top_k);
  if (k < 1 || k > model.experts) throw Error("{}: --k {} is outside 1..{} experts", name, k, model.experts);
  if (!(options.gamma > 0 && options.gamma <= 1)) throw Error("--gamma {} is outside (0, 1]", options.gamma);
  if (options.bootstrap < 0 || options.permutations < 0 || options.expert_shuffles < 0) {
    throw Error("--bootstrap, --permutations and --expert-shuffles count replicates: 0 or more");
  }
  return {model.experts, k, options.gamma, options.fallback};
}

}  // namespace committee::audit
