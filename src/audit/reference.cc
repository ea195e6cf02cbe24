#include "audit/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <unordered_map>

#include "audit/python_numbers.h"
#include "base/csv.h"
#include "base/error.h"

namespace committee::audit {
namespace {

using Rows = std::vector<const ReferenceTable::Row*>;

struct LayerRows {
  Rows all;        // in the table's order
  Rows of_domain;  // the first of every domain, in Scope's order; null where there is none
};

// One expert of a layer, as their script tallies it.
struct Expert {
  int64_t id = 0;
  std::vector<int> ranks;  // a rank for every listing, then k+1 for the domains without one
  int64_t presence = 0;
  double eci = 0;  // sum of its values in listing order, then the mean over domains
  double mu = 0, sigma_sq = 0;
};

struct Scope {
  std::unordered_map<std::string_view, size_t> domains;  // numbered in order of appearance
  int k = 0;                                             // length of the first list
  int64_t pool = 0;                                      // guessed number of experts
  int64_t threshold = 0;                                 // presences that make a candidate
};

Scope scope_of(const ReferenceTable& table, double presence_ratio, const std::string& name) {
  if (!(presence_ratio > 0 && presence_ratio <= 1)) {
    throw Error("--presence-ratio {} is outside (0, 1]", presence_ratio);
  }
  Scope scope;
  int64_t largest = -1;
  for (const auto& row : table.rows) {
    scope.domains.emplace(row.domain, scope.domains.size());
    if (scope.k == 0) scope.k = static_cast<int>(row.ids.size());
    for (const int64_t id : row.ids) largest = std::max(largest, id);
  }
  if (largest < 0) throw Error("{}: no expert is listed", name);
  scope.pool = largest < 64 ? 64 : largest < 128 ? 128 : largest < 256 ? 256 : largest + 1;
  scope.threshold =
      static_cast<int64_t>(std::ceil(static_cast<double>(scope.domains.size()) * presence_ratio));
  return scope;
}

// The layer's experts in the order in which the domains list them.
std::vector<Expert> tally(const Rows& of_domain, const Scope& scope) {
  std::vector<Expert> experts;
  std::unordered_map<int64_t, size_t> places;
  for (const auto* row : of_domain) {
    if (!row) continue;
    const size_t listed = std::min(row->ids.size(), row->values.size());
    for (size_t i = 0; i < listed; ++i) {
      const int64_t id = row->ids[i];
      if (id < 0) continue;
      const auto [place, added] = places.try_emplace(id, experts.size());
      if (added) experts.emplace_back(Expert{.id = id, .ranks = {}}).ranks.reserve(scope.domains.size());
      Expert& expert = experts[place->second];
      expert.ranks.push_back(static_cast<int>(i) + 1);
      expert.eci += row->values[i];
    }
  }
  const auto domains = static_cast<int64_t>(scope.domains.size());
  for (Expert& expert : experts) {
    expert.presence = static_cast<int64_t>(expert.ranks.size());
    expert.eci /= static_cast<double>(domains);
    for (int64_t i = expert.presence; i < domains; ++i) expert.ranks.push_back(scope.k + 1);
    expert.mu = python::mean(expert.ranks);
    expert.sigma_sq = python::variance(expert.ranks);
  }
  return experts;
}

// The Pareto front of the candidates, by μ.
std::vector<const Expert*> committee_of(const std::vector<Expert>& experts, int64_t threshold) {
  int64_t most = 0;
  for (const Expert& expert : experts) most = std::max(most, expert.presence);
  const bool fallback = most < threshold;
  std::vector<const Expert*> candidates, front;
  for (const Expert& expert : experts) {
    if (fallback ? expert.presence == most : expert.presence >= threshold) candidates.push_back(&expert);
  }
  auto dominates = [](const Expert& a, const Expert& b) {
    return a.mu <= b.mu && a.sigma_sq <= b.sigma_sq && (a.mu < b.mu || a.sigma_sq < b.sigma_sq);
  };
  for (const Expert* expert : candidates) {
    if (std::none_of(candidates.begin(), candidates.end(),
                     [&](const Expert* other) { return dominates(*other, *expert); })) {
      front.push_back(expert);
    }
  }
  std::vector<double> mus;
  for (const Expert* expert : front) mus.push_back(expert->mu);
  std::vector<const Expert*> sorted;
  for (const int i : python::argsort(mus)) sorted.push_back(front[i]);
  return sorted;
}

double total_of(const Rows& rows) {
  std::vector<double> sums;
  for (const auto* row : rows) sums.push_back(python::pairwise_sum(row->values));
  return python::pairwise_sum(sums) / static_cast<double>(sums.size());
}

double ratio_of(double coverage, int64_t size, int64_t pool) {
  if (size >= pool) return 1;
  const double inside = coverage / static_cast<double>(size);
  const double outside = (1 - coverage) / static_cast<double>(pool - size);
  return outside > 0 ? inside / outside : std::numeric_limits<double>::infinity();
}

void add_layer(CsvWriter& csv, int64_t layer, const LayerRows& rows, const Scope& scope) {
  csv.add(layer);
  const auto experts = tally(rows.of_domain, scope);
  if (experts.empty()) {
    csv.add("").add(0).add("").add("").add("0.0").add("1.0").end_row();
    return;
  }
  std::vector<int64_t> ids;
  std::vector<double> mus, sigmas, ecis;
  for (const Expert* expert : committee_of(experts, scope.threshold)) {
    ids.push_back(expert->id);
    mus.push_back(expert->mu);
    sigmas.push_back(expert->sigma_sq);
    ecis.push_back(expert->eci);
  }
  const auto size = static_cast<double>(ids.size());
  const double total = total_of(rows.all);
  const double coverage = total > 0 ? python::pairwise_sum(ecis) / total : 0;
  const double ratio = ratio_of(coverage, static_cast<int64_t>(ids.size()), scope.pool);
  auto rounded = [](double x, int digits) { return python::repr(python::round_decimals(x, digits)); };
  csv.add(fmt::format("{}", fmt::join(ids, ", "))).add(static_cast<int64_t>(ids.size()));
  csv.add(rounded(python::pairwise_sum(mus) / size, 2)).add(rounded(python::pairwise_sum(sigmas) / size, 2));
  csv.add(rounded(coverage, 4)).add(std::isfinite(ratio) ? rounded(ratio, 2) : "inf").end_row();
}

}  // namespace

std::string reference_csv(const ReferenceTable& table, double presence_ratio, const std::string& name) {
  const Scope scope = scope_of(table, presence_ratio, name);
  std::map<int64_t, LayerRows> layers;
  for (const auto& row : table.rows) {
    LayerRows& layer = layers[row.layer];
    layer.all.push_back(&row);
    layer.of_domain.resize(scope.domains.size());
    auto& first = layer.of_domain[scope.domains.at(row.domain)];
    if (!first) first = &row;
  }
  const int64_t shift = layers.begin()->first == 1 ? 1 : 0;
  CsvWriter csv({"Layer", "Committee", "Size", "Avg_mu", "Avg_sigma_sq", "Coverage", "Ratio"});
  for (const auto& [layer, rows] : layers) add_layer(csv, layer - shift, rows, scope);
  return csv.text();
}

}  // namespace committee::audit
