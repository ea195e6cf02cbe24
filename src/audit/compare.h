#pragma once

#include <optional>
#include <string>
#include <vector>

#include "audit/result.h"

// Audits against each other: which experts joined or left committees and cores, and whether the two
// bootstraps can tell that from noise (docs/interpretation.md, "Comparing audits").
namespace committee::audit {

// Sets that are equal; that differ, but no expert beyond noise; that differ in at least one expert beyond
// noise; that differ where an audit has no bootstrap.
enum class Change { kNone, kWithinNoise, kBeyondNoise, kUndecided };

// An expert that is in exactly one of two sets.
struct ExpertChange {
  int expert = 0;
  bool joined = false;                                         // else it left
  std::optional<double> inclusion_reference, inclusion_audit;  // shares of the bootstrap sets that hold it
  Change change = Change::kUndecided;                          // never kNone
};

struct SetChange {
  std::optional<double> jaccard;  // nothing where both sets are empty
  std::optional<Interval>
      interval;  // of it: a bootstrap set of one audit against the other's of that replicate
  std::optional<double> agreement;  // Jaccard of two bootstrap sets of one audit, mean of both audits
  std::vector<ExpertChange> experts;
  Change change = Change::kNone;
};

struct LayerComparison {
  int layer = 0;
  SetChange committee, core;
  std::optional<double> spearman;  // of the global contributions c̄
  std::optional<int> apart;        // experts whose 95% intervals of c̄ do not meet
};

// Mean over layers, those without a value left out.
struct PairComparison {
  int reference = 0, audit = 0;  // indices, reference < audit
  std::vector<LayerComparison> layers;
  std::optional<double> committee_jaccard, committee_agreement, core_jaccard, spearman;
  std::optional<Interval> committee_interval, core_interval;  // of the mean Jaccard

  int layers_with(SetChange LayerComparison::*set, Change change) const;
};

// Why experts of two audits have no counterparts in each other; empty where they have.
std::string shape_obstacle(const AuditResult& a, const AuditResult& b);

// What was done otherwise in `b` than in `a`: "positions: last, content".
std::vector<std::string> setting_differences(const AuditResult& a, const AuditResult& b);

// Two audits of one shape. Throws Error where shape_obstacle() is not empty.
PairComparison compare_pair(const AuditResult& a, const AuditResult& b);

// All pairs of one shape, the reference's (index 0) first.
std::vector<PairComparison> compare(const std::vector<const AuditResult*>& audits);

// |A ∩ B| / |A ∪ B| of sets of ids in any order; nothing for two empty sets.
std::optional<double> jaccard_of(const std::vector<int>& a, const std::vector<int>& b);

// Spearman's rank correlation, ties at their mean rank; nothing where either side is constant.
std::optional<double> spearman_of(const std::vector<double>& a, const std::vector<double>& b);

// Whether the 95% percentile interval of the difference of two independent bootstraps' memberships excludes
// 0: `in` is the share of sets that hold an expert where it is a member, `out` where it is not.
bool beyond_noise(double in, double out);

}  // namespace committee::audit
