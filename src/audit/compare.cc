#include "audit/compare.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "audit/percentile.h"
#include "base/error.h"

namespace committee::audit {

namespace {

bool holds(const std::vector<int>& set, int id) { return std::find(set.begin(), set.end(), id) != set.end(); }

// A set of a layer and how often the bootstrap found each expert in it.
struct SetOf {
  std::vector<int> LayerResult::*members;
  std::optional<double> ExpertFigures::*inclusion;
  BootstrapSets LayerResult::*bootstrap;
};
constexpr SetOf kCommittee{&LayerResult::committee, &ExpertFigures::inclusion,
                           &LayerResult::bootstrap_committees};
constexpr SetOf kCore{&LayerResult::core, &ExpertFigures::core_inclusion, &LayerResult::bootstrap_cores};

constexpr float kNone = std::numeric_limits<float>::quiet_NaN();

// Jaccard of two audits' sets in every replicate that both have; NaN where both sets are empty.
std::vector<float> replicate_jaccards(const BootstrapSets& a, const BootstrapSets& b) {
  std::vector<float> values(std::min(a.of.size(), b.of.size()));
  for (size_t r = 0; r < values.size(); ++r) {
    const auto &x = a.sets[static_cast<size_t>(a.of[r])], &y = b.sets[static_cast<size_t>(b.of[r])];
    values[r] = static_cast<float>(jaccard_of(x, y).value_or(kNone));
  }
  return values;
}

std::optional<Interval> interval_over(const std::vector<float>& replicates) {
  return replicates.empty() ? std::nullopt : interval_of(replicates);
}

// Of the mean over layers, those without a value in a replicate left out of it.
std::optional<Interval> mean_interval(const AuditResult& a, const AuditResult& b, const SetOf& set) {
  std::vector<float> sums, counts;
  for (size_t l = 0; l < a.layers.size(); ++l) {
    const auto values = replicate_jaccards(a.layers[l].*set.bootstrap, b.layers[l].*set.bootstrap);
    if (l == 0) sums = counts = std::vector<float>(values.size());
    if (values.size() != sums.size()) return std::nullopt;
    for (size_t r = 0; r < values.size(); ++r) {
      if (std::isnan(values[r])) continue;
      sums[r] += values[r];
      counts[r] += 1;
    }
  }
  for (size_t r = 0; r < sums.size(); ++r) sums[r] = counts[r] > 0 ? sums[r] / counts[r] : kNone;
  return interval_over(sums);
}

Change worst(const std::vector<ExpertChange>& experts) {
  const auto any = [&](Change change) {
    return std::any_of(experts.begin(), experts.end(), [&](const auto& e) { return e.change == change; });
  };
  return experts.empty()             ? Change::kNone
         : any(Change::kBeyondNoise) ? Change::kBeyondNoise
         : any(Change::kUndecided)   ? Change::kUndecided
                                     : Change::kWithinNoise;
}

SetChange compare_sets(const LayerResult& a, const LayerResult& b, const SetOf& set) {
  const auto &before = a.*set.members, &after = b.*set.members;
  SetChange found{jaccard_of(before, after),
                  interval_over(replicate_jaccards(a.*set.bootstrap, b.*set.bootstrap)),
                  std::nullopt,
                  {},
                  Change::kNone};
  for (int id = 0; id < static_cast<int>(a.experts.size()); ++id) {
    const bool was = holds(before, id), is = holds(after, id);
    if (was == is) continue;
    const auto &p = a.experts[static_cast<size_t>(id)].*set.inclusion,
               &q = b.experts[static_cast<size_t>(id)].*set.inclusion;
    ExpertChange change{id, is, p, q, Change::kUndecided};
    if (p && q) {
      change.change = beyond_noise(is ? *q : *p, is ? *p : *q) ? Change::kBeyondNoise : Change::kWithinNoise;
    }
    found.experts.push_back(change);
  }
  found.change = worst(found.experts);
  return found;
}

std::optional<double> mean_of(std::optional<double> a, std::optional<double> b) {
  return a && b ? std::optional((*a + *b) / 2) : std::nullopt;
}

// What two bootstrap cores of one audit share: the expected intersection over the expected union, p the
// inclusion of each expert. Nothing without a bootstrap or where no replicate has a core.
std::optional<double> core_agreement(const LayerResult& layer) {
  double both = 0, either = 0;
  for (const auto& expert : layer.experts) {
    if (!expert.core_inclusion) return std::nullopt;
    const double p = *expert.core_inclusion;
    both += p * p;
    either += 2 * p - p * p;
  }
  return either > 0 ? std::optional(both / either) : std::nullopt;
}

// Global contributions of all experts; nothing where one is undefined.
std::optional<std::vector<double>> contributions(const LayerResult& layer) {
  std::vector<double> values;
  for (const auto& expert : layer.experts) {
    if (!expert.contribution.value) return std::nullopt;
    values.push_back(*expert.contribution.value);
  }
  return values;
}

std::optional<int> intervals_apart(const LayerResult& a, const LayerResult& b) {
  int apart = 0;
  for (size_t i = 0; i < a.experts.size(); ++i) {
    const auto &x = a.experts[i].contribution.bootstrap, &y = b.experts[i].contribution.bootstrap;
    if (!x || !y) return std::nullopt;
    apart += x->high < y->low || y->high < x->low;
  }
  return apart;
}

LayerComparison compare_layers(const LayerResult& a, const LayerResult& b) {
  LayerComparison layer{a.layer, compare_sets(a, b, kCommittee), compare_sets(a, b, kCore), {}, {}};
  layer.committee.agreement = mean_of(a.agreement, b.agreement);
  layer.core.agreement = mean_of(core_agreement(a), core_agreement(b));
  const auto x = contributions(a), y = contributions(b);
  if (x && y) layer.spearman = spearman_of(*x, *y);
  layer.apart = intervals_apart(a, b);
  return layer;
}

template <typename Get>
std::optional<double> mean_over(const std::vector<LayerComparison>& layers, Get get) {
  double sum = 0;
  int count = 0;
  for (const auto& layer : layers) {
    const std::optional<double> value = get(layer);
    sum += value.value_or(0);
    count += value.has_value();
  }
  return count > 0 ? std::optional(sum / count) : std::nullopt;
}

// Ranks from 1, ties at the mean of their places.
std::vector<double> mean_ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return values[i] < values[j]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = static_cast<double>(begin + 1 + end) / 2;
    begin = end;
  }
  return ranks;
}

std::string named(const char* what, const std::string& a, const std::string& b) {
  const auto shown = [](const std::string& text) { return text.empty() ? std::string("none") : text; };
  return fmt::format("{}: {}, {}", what, shown(a), shown(b));
}

std::vector<std::string> domain_names(const AuditResult& result) {
  std::vector<std::string> names;
  for (const auto& domain : result.domains) names.push_back(domain.name);
  return names;
}

}  // namespace

bool beyond_noise(double in, double out) {
  // The difference of two 0/1 draws is positive with probability in·(1 - out).
  return in * (1 - out) >= 0.975;
}

std::optional<double> jaccard_of(const std::vector<int>& a, const std::vector<int>& b) {
  if (a.empty() && b.empty()) return std::nullopt;
  const auto both = std::count_if(a.begin(), a.end(), [&](int id) { return holds(b, id); });
  return static_cast<double>(both) / static_cast<double>(std::ssize(a) + std::ssize(b) - both);
}

std::optional<double> spearman_of(const std::vector<double>& a, const std::vector<double>& b) {
  const auto x = mean_ranks(a), y = mean_ranks(b);
  const double mean = (static_cast<double>(x.size()) + 1) / 2;
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean) * (y[i] - mean);
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
  }
  return xx > 0 && yy > 0 ? std::optional(xy / std::sqrt(xx * yy)) : std::nullopt;
}

int PairComparison::layers_with(SetChange LayerComparison::*set, Change change) const {
  return static_cast<int>(std::count_if(layers.begin(), layers.end(),
                                        [&](const auto& layer) { return (layer.*set).change == change; }));
}

std::string shape_obstacle(const AuditResult& a, const AuditResult& b) {
  const auto ids = [](const AuditResult& result) {
    std::vector<int> layers;
    for (const auto& layer : result.layers) layers.push_back(layer.layer);
    return layers;
  };
  if (a.model.model_type != b.model.model_type) {
    return fmt::format("model types {} and {}", a.model.model_type, b.model.model_type);
  }
  if (a.model.experts != b.model.experts) {
    return fmt::format("{} and {} experts a layer", a.model.experts, b.model.experts);
  }
  if (a.layers.size() != b.layers.size()) {
    return fmt::format("{} and {} MoE layers", a.layers.size(), b.layers.size());
  }
  return ids(a) == ids(b) ? "" : "other layer ids";
}

std::vector<std::string> setting_differences(const AuditResult& a, const AuditResult& b) {
  std::vector<std::string> found;
  const auto note = [&](const char* what, const std::string& x, const std::string& y) {
    if (x != y) found.push_back(named(what, x, y));
  };
  note("model", a.model.name, b.model.name);
  if (a.model.name == b.model.name) note("weights", a.model.fingerprint, b.model.fingerprint);
  note("data", a.recording.dataset, b.recording.dataset);
  note("template", a.recording.prompt_template, b.recording.prompt_template);
  note("positions", a.positions, b.positions);
  note("k", std::to_string(a.k), std::to_string(b.k));
  note("contribution", name_of(a.options.eci), name_of(b.options.eci));
  note("gamma", fmt::format("{}", a.options.gamma), fmt::format("{}", b.options.gamma));
  note("fallback", name_of(a.options.fallback), name_of(b.options.fallback));
  const auto x = domain_names(a), y = domain_names(b);
  if (x.size() != y.size()) {
    note("domains", std::to_string(x.size()), std::to_string(y.size()));
  } else if (x != y) {
    found.emplace_back("domains: other names");
  }
  note("samples", std::to_string(a.samples), std::to_string(b.samples));
  return found;
}

PairComparison compare_pair(const AuditResult& a, const AuditResult& b) {
  if (const auto obstacle = shape_obstacle(a, b); !obstacle.empty()) {
    throw Error("the audits have no experts in common: {}", obstacle);
  }
  PairComparison pair;
  for (size_t l = 0; l < a.layers.size(); ++l)
    pair.layers.push_back(compare_layers(a.layers[l], b.layers[l]));
  using Layer = LayerComparison;
  pair.committee_jaccard = mean_over(pair.layers, [](const Layer& l) { return l.committee.jaccard; });
  pair.committee_agreement = mean_over(pair.layers, [](const Layer& l) { return l.committee.agreement; });
  pair.committee_interval = mean_interval(a, b, kCommittee);
  pair.core_interval = mean_interval(a, b, kCore);
  pair.core_jaccard = mean_over(pair.layers, [](const Layer& l) { return l.core.jaccard; });
  pair.spearman = mean_over(pair.layers, [](const Layer& l) { return l.spearman; });
  return pair;
}

std::vector<PairComparison> compare(const std::vector<const AuditResult*>& audits) {
  std::vector<PairComparison> pairs;
  for (size_t i = 0; i < audits.size(); ++i) {
    for (size_t j = i + 1; j < audits.size(); ++j) {
      if (!shape_obstacle(*audits[i], *audits[j]).empty()) continue;
      pairs.push_back(compare_pair(*audits[i], *audits[j]));
      pairs.back().reference = static_cast<int>(i);
      pairs.back().audit = static_cast<int>(j);
    }
  }
  return pairs;
}

}  // namespace committee::audit
