#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "audit/options.h"
#include "base/json.h"
#include "trace/manifest.h"

// The one result that every report is a view of. A figure that is undefined or was not computed is
// std::nullopt, never 0. Experts are ids 0..E-1, domains indices into AuditResult::domains, layers the
// checkpoint's own ids. Symbols (c, P, μ, σ², T, E, k) are METHOD's.
namespace committee::audit {

struct Interval {
  double low = 0, high = 0;  // 2.5% and 97.5% percentiles
};

// Which way a figure must leave its permuted values to speak for an effect of domain; kBoth doubles the
// smaller of the two p-values.
enum class Tail { kLower, kUpper, kBoth };

// What a figure is when the domain labels are shuffled among the samples (METHOD 9).
struct Permuted {
  double mean = 0, low = 0, high = 0;  // mean and 2.5% / 97.5% percentiles over the replicates
  double p_value = 1;                  // (r + 1) / (R + 1), r replicates at least as far in `tail`
  Tail tail = Tail::kUpper;
};

struct Figure {
  std::optional<double> value{}, floor{};  // floor: what arithmetic or chance alone gives (METHOD 9), exact
  std::optional<Permuted> permuted{};
  std::optional<Interval> bootstrap{};
};

struct Domain {
  std::string name;
  int64_t samples = 0, rows = 0;  // rows: the recorded tokens audited
};

struct ExpertFigures {
  Figure contribution;  // c̄, mean over domains
  Figure presence;      // share of domains whose top k holds it
  Figure avg_rank,
      rank_variance;  // over domains, rank k+1 outside the top k; floors: of equal or random experts
  bool candidate = false, in_committee = false;
  std::optional<double> inclusion, core_inclusion;  // share of bootstrap committees (cores) that hold it
};

struct DomainPair {
  int a = 0, b = 0;  // a < b
  Figure jaccard;    // floor: chance
};

// METHOD 9's expert shuffle: figures of data in which no committee can exist.
struct ShuffleBaseline {
  double committee_rate = 0;  // share of replicates in which the rule still finds a committee
  Figure size, core_size, coverage_topk, jaccard_mean;  // value: mean; bootstrap: 2.5% and 97.5% percentiles
};

// The sets that a layer's bootstrap replicates found.
struct BootstrapSets {
  std::vector<std::vector<int>> sets;  // each different one once, ids ascending
  std::vector<int> of;                 // [replicates] which of them a replicate has
};

enum class Verdict { kCommittee, kArithmetic, kUndecided, kNone };

// In words, by the rules of docs/interpretation.md.
struct VerdictText {
  Verdict verdict = Verdict::kUndecided;
  std::string reason;  // one sentence with its figures
};

struct LayerResult {
  int layer = 0;

  std::vector<int> committee;              // by average rank, ties by variance, then id
  std::vector<int> core;                   // all candidates, ascending
  std::optional<std::vector<int>> stable;  // inclusion ≥ 0.95, ascending; absent without a bootstrap
  std::optional<double> agreement;         // mean Jaccard of pairs of bootstrap committees (METHOD 10)
  BootstrapSets bootstrap_committees, bootstrap_cores;  // empty without a bootstrap
  bool by_fallback = false;             // no candidate: `committee` has the experts of maximal presence
  std::vector<int> specific_domains;    // those that made the committee (all without min_specificity)
  Figure size;                          // floor: H_n, the expected front of n = core_size random points
  Figure core_size;                     // floor: expected number of candidates among random k-sets
  Figure avg_rank, rank_variance;       // means over members; floors: (|C|+1)/2, 0
  Figure coverage_full, coverage_topk;  // floors: |C|/E, |C|/k
  Figure excess_topk;                   // coverage_topk less its floor, of each replicate's own committee
  Figure ratio_full, ratio_topk;        // floors: 1, (E-|C|)/(k-|C|)
  std::vector<ExpertFigures> experts;   // [E]

  std::vector<Figure> contributions;  // [T, E] c[i,τ]
  std::vector<int> ranks;             // [T, E] R(i,τ), k+1 outside the top k

  Figure jaccard_mean, jaccard_min,
      jaccard_max;                // over pairs of domains; floors: chance, else the least possible
  std::vector<DomainPair> pairs;  // a ascending, then b
  std::optional<double> chance;   // expected Jaccard of two random k-sets
  std::optional<double> effect;   // permuted minus observed mean Jaccard

  Figure gini_full, gini_topk;  // floors: 0, 1 - used/E
  Figure used_experts;          // experts in at least one domain's top k; floor: k
  std::vector<double> lorenz;   // [E+1] share of contribution of the i poorest experts, 0..1
  Figure routing_entropy;       // METHOD 6's load figures; empty where nothing tells
  Figure load_entropy, effective_experts, max_over_mean, unused;

  std::vector<Figure> silhouette;  // [T] S(τ)
  Figure r2;                       // PERMANOVA R² of domain; floor: (T-1)/(N-1), expected without an effect
  Figure r2_nested;  // R² of the finer level beyond domain's (its labels shuffled within domains); floor: as
                     // expected then
  std::optional<ShuffleBaseline> shuffle;
  VerdictText verdict;
};

// A layer figure's greatest, least and mean value over layers (the paper's Table 4), layers without a value
// left out.
struct Summary {
  Figure max, min, mean;
};

struct Warning {
  std::string code;     // kebab-case, stable
  std::string message;  // one sentence with its figures
  Json evidence;        // an object: what the sentence rests on
};

struct AuditResult {
  AuditOptions options;
  int k = 0;              // as used
  std::string positions;  // as audited: last, all, content, generated, sample
  std::string vectors;    // what silhouette and R² are computed on: routing or frequency
  trace::ModelInfo model;
  trace::RecordingInfo recording;
  int64_t samples = 0, rows = 0;
  std::vector<Domain> domains;      // by name
  std::vector<std::string> nested;  // names of the finer level's groups; empty: none
  std::vector<LayerResult> layers;  // ascending

  // Of every figure of a layer.
  Summary jaccard, gini_full, gini_topk, size, core_size, coverage_full, coverage_topk, r2;
  Summary avg_rank, rank_variance, excess_topk, ratio_full, ratio_topk, jaccard_min, jaccard_max,
      used_experts, routing_entropy, load_entropy, effective_experts, max_over_mean, unused, r2_nested;
  std::optional<Figure> layers_with_committee;  // share of layers with a committee; value and permuted
  std::vector<Warning> warnings;
  VerdictText verdict;
};

}  // namespace committee::audit
