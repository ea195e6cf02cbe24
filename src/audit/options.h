#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace committee::audit {

// The contribution kinds of METHOD 2 that a trace can give ("reference" has its own entry, reference.h).
enum class Eci { kRouting, kExecuted, kFrequency };
enum class Fallback { kNone, kMaxPresence };
// Which recorded rows are audited. kRecorded: all that the trace holds, whatever they are.
enum class Positions { kRecorded, kLast, kAll, kContent };

struct AuditOptions {
  Eci eci = Eci::kRouting;
  std::optional<int> k{};  // the model's own where absent
  double gamma = 0.8;      // least share of domains a candidate is present in, in (0, 1]
  Fallback fallback = Fallback::kNone;
  std::optional<double>
      min_specificity{};  // per layer, only domains with a silhouette above it make the committee
  Positions positions = Positions::kRecorded;

  std::string group_by{};  // a column of samples.jsonl; empty: the recorded domain
  std::map<std::string, std::string>
      domain_of{};                 // subject (else recorded domain) → domain; empty: as recorded
  std::string nested = "subject";  // column of the finer level of variance; empty: none
  bool nested_asked = false;  // refuse a column that says nothing inside domains, rather than leave it out

  int bootstrap = 200, permutations = 200, expert_shuffles = 200;  // replicates; 0 switches one off
  int silhouette_replicates = 200;  // the most replicates that recompute silhouettes, the costliest figure
  uint64_t seed = 0;
  int threads = 1;
  int64_t memory = int64_t{2} << 30;  // bytes of working memory to stay within, roughly
};

const char* name_of(Eci eci);
const char* name_of(Fallback fallback);
const char* name_of(Positions positions);

}  // namespace committee::audit
