#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "audit/options.h"
#include "audit/result.h"

// METHOD 8's functional roles: which tokens and domains each expert serves, and whether the set that is asked
// about (the committee) differs from the layer's other experts. Undefined figures are std::nullopt.
namespace committee::roles {

struct RolesOptions {
  audit::AuditOptions audit;           // positions, grouping, permutations, seed, threads, memory
  std::vector<std::vector<int>> sets;  // [L] the experts asked about, ids
  std::string set_name = "committee";
  int min_domains = 3;     // a cell is marked where a token runs the expert in so many domains,
  int64_t min_count = 5;   // so often in each,
  double min_share = 0.5;  // and in this share of all its occurrences
  int top = 50;            // tokens listed an expert beside the marked ones
  int shuffles = 50;       // of the tokens inside each sample; 0: none
  // How a token is shown, as roles.csv spells it; empty: as its id, and word lists do not apply.
  std::function<std::string(int32_t token)> text = {};
  std::map<std::string, std::string> class_of_word = {};  // as class_key() makes it → class
};

// One token that a member of the set serves.
struct ServedToken {
  int layer = 0, expert = 0;  // the checkpoint's own layer id
  int32_t token = 0;
  int64_t count = 0, occurrences = 0;
  double share = 0;
  int domains = 0;  // in which it runs the expert at least min_count times
  bool marked = false;
  int token_class = 0;
  double document_frequency = 0;  // mean over domains of the share of samples that hold the token
};

// What is known of an expert's tokens, beside the same with the tokens of each sample shuffled.
struct ExpertTokens {
  int layer = 0, expert = 0;
  bool in_set = false;
  double frequency = 0;                    // share of the tokens that run it
  std::optional<double> entropy = {};      // of running it or not, bits
  audit::Figure information = {};          // between token and running it, bits
  std::optional<double> uncertainty = {};  // (information - permuted mean) / entropy
  std::optional<double> p_value = {},
                        q_value = {};  // normal tail of the shuffles; Benjamini-Hochberg over all experts
  audit::Figure marked = {};           // tokens marked
};

enum class CellKind { kDomain, kTokenClass };

// One expert and one domain or token class.
struct Cell {
  int layer = 0, expert = 0;
  bool in_set = false;
  CellKind kind = CellKind::kDomain;
  int group = 0;      // index into domains or classes
  int64_t slots = 0;  // of the group that the expert serves
  // ln((a+½)(d+½)/((b+½)(c+½))): the expert's slots in and out of the group against the layer's others.
  std::optional<double> log_odds = {}, p_value = {}, q_value = {};
};

// Information between a slot's expert and the domain, bits a slot: Σ_e p(e)·KL(p(d|e) ‖ p(d)), its terms
// inside and outside the set.
struct LayerInformation {
  int layer = 0;
  std::vector<int> set;
  double share_of_slots = 0;  // served by the set
  audit::Figure total = {}, inside = {}, outside = {};
  audit::Figure inside_per_slot = {}, outside_per_slot = {};  // each part over its own slots
  audit::Figure difference = {};                              // outside less inside, a slot
};

// A figure of the set's members beside that of as many non-members of the closest frequency.
struct MatchedTest {
  std::string figure;
  int layers = 0;
  double members = 0, matched = 0;  // means over layers
  std::optional<double> p_value;    // sign-flip over layers, two-sided
};

struct Discoveries {
  int64_t cells = 0, found = 0, in_set = 0;  // q ≤ 0.05
  std::optional<double> permuted_mean;       // found with the domain labels shuffled (domain cells only)
  std::optional<int64_t> permuted_most;
};

struct RolesResult {
  RolesOptions options;
  trace::ModelInfo model;
  std::string positions;
  int64_t rows = 0, known_rows = 0, distinct_tokens = 0;
  std::vector<audit::Domain> domains;
  std::vector<std::string> classes;
  std::vector<ServedToken> tokens;
  std::vector<ExpertTokens> experts;  // [L·E], empty where no token is known
  std::vector<Cell> cells;
  std::vector<LayerInformation> information;
  std::vector<MatchedTest> matched;
  double member_frequency = 0, matched_frequency = 0;  // means over layers
  Discoveries domain_discoveries, class_discoveries;
};

}  // namespace committee::roles
