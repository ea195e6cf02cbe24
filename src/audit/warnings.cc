#include "audit/warnings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <numeric>
#include <optional>
#include <set>

namespace committee::audit {
namespace {

constexpr int64_t kFewSamples = 30;
constexpr double kNearlyAll = 0.95;

using Warnings = std::vector<Warning>;

double percent(double share) { return 100 * share; }

double count(size_t n) { return static_cast<double>(n); }

void same_last_token(const WarningInput& in, Warnings& out) {
  std::map<int32_t, int64_t> ends;
  for (int64_t i = 0; i < in.reader.size(); ++i) ++ends[in.reader.last_token(i)];
  const auto most =
      std::max_element(ends.begin(), ends.end(), [](auto& a, auto& b) { return a.second < b.second; });
  const double share = static_cast<double>(most->second) / static_cast<double>(in.reader.size());
  // Negative ids stand for tokens that the source does not name.
  if (most->first < 0 || in.reader.size() < 2 || share < kNearlyAll) return;
  out.push_back(
      {"same-last-token",
       fmt::format(
           "{:.1f}% of the samples end in token {}: what looks like a committee may be the routing of "
           "that one token; audit content positions, or prompts without the common ending",
           percent(share), most->first),
       {{"token", most->first},
        {"samples", most->second},
        {"share", share},
        {"distinct_last_tokens", ends.size()},
        {"template", in.reader.trace().manifest().recording.prompt_template}}});
}

void same_last_routing(const WarningInput& in, Warnings& out) {
  Json layers = Json::array();
  for (size_t l = 0; l < in.observations.size(); ++l) {
    const LayerResult& layer = in.result.layers[l];
    std::vector<double> global;
    for (const auto& expert : layer.experts) global.push_back(expert.contribution.value.value_or(0));
    const double total = std::accumulate(global.begin(), global.end(), 0.0);
    const auto most = std::max_element(global.begin(), global.end());
    const double share = total > 0 ? *most / total : 0;
    const bool same_sets = in.result.vectors == "frequency" && in.observations[l].alignment >= kNearlyAll;
    if (share < 0.9 && !same_sets) continue;
    layers.push_back({{"layer", layer.layer},
                      {"expert", most - global.begin()},
                      {"share", share},
                      {"alignment", in.observations[l].alignment}});
  }
  if (count(layers.size()) * 2 < count(in.observations.size()) || in.reader.size() < 2) return;
  out.push_back(
      {"same-last-routing",
       fmt::format("at the last position {} of {} layers route nearly every sample alike (for instance "
                   "{:.1f}% of layer {} to expert {}): the prompts seem to end in the same token",
                   layers.size(), in.observations.size(), percent(layers[0]["share"]),
                   layers[0]["layer"].get<int>(), layers[0]["expert"].get<int>()),
       {{"layers", layers}}});
}

// The groups within which prompts may share a prefix: few-shot examples are a subject's own, so the finest
// level there is.
struct PrefixGroups {
  std::vector<std::string> names;
  std::vector<int32_t> of;  // [N]
  const char* level = "domain";
  std::vector<int64_t> samples{}, rows{};
};

// Subjects may be too many to be a level of variance; they share a prefix all the same.
std::optional<PrefixGroups> subject_groups(const WarningInput& in) {
  const auto& samples = in.reader.trace().samples();
  std::map<std::string, int32_t> subjects;
  PrefixGroups groups{{}, {}, "subject"};
  for (int64_t i = 0; i < in.reader.size(); ++i) {
    const std::string& subject = samples[in.reader.id(i)].subject;
    if (subject.empty()) return std::nullopt;
    const auto [place, added] = subjects.emplace(subject, static_cast<int32_t>(groups.names.size()));
    if (added) groups.names.push_back(subject);
    groups.of.push_back(place->second);
  }
  return groups;
}

PrefixGroups prefix_groups(const WarningInput& in) {
  const Grouping& grouping = in.grouping;
  PrefixGroups groups{{}, grouping.domain_of};
  if (!grouping.groups.empty()) {
    groups = {{}, grouping.group_of, "group"};
    for (const auto& group : grouping.groups) groups.names.push_back(group.name);
  } else if (auto subjects = subject_groups(in)) {
    groups = *std::move(subjects);
  } else {
    for (const auto& domain : grouping.domains) groups.names.push_back(domain.name);
  }
  groups.samples.resize(groups.names.size());
  groups.rows.resize(groups.names.size());
  for (int64_t i = 0; i < in.reader.size(); ++i) {
    ++groups.samples[groups.of[i]];
    groups.rows[groups.of[i]] += in.reader.rows(i);
  }
  return groups;
}

// Tokens that the samples of each group have in common at their beginning (of a sample alone in its group
// those that any other would begin with, being its template's); nothing where tokens are unknown.
std::optional<std::vector<size_t>> shared_prefixes(const WarningInput& in, const PrefixGroups& groups) {
  std::vector<std::optional<std::vector<int32_t>>> prefix(groups.names.size());
  for (int64_t i = 0; i < in.reader.size(); ++i) {
    const auto tokens = in.reader.tokens(i);
    if (tokens.front() < 0) return std::nullopt;
    auto& shared = prefix[groups.of[i]];
    if (!shared) {
      shared = tokens;
      if (groups.samples[groups.of[i]] == 1) shared->resize(in.reader.template_rows(i));
      continue;
    }
    shared->erase(std::mismatch(shared->begin(), shared->end(), tokens.begin(), tokens.end()).first,
                  shared->end());
  }
  std::vector<size_t> lengths;
  for (const auto& tokens : prefix) lengths.push_back(tokens ? tokens->size() : 0);
  return lengths;
}

void shared_prefix(const WarningInput& in, Warnings& out) {
  const PrefixGroups groups = prefix_groups(in);
  const auto lengths = shared_prefixes(in, groups);
  if (!lengths) return;
  Json evidence = Json::array();
  double weighted = 0;
  for (size_t g = 0; g < groups.names.size(); ++g) {
    if (groups.samples[g] == 0) continue;
    const auto samples = static_cast<double>(groups.samples[g]);
    const double mean = static_cast<double>(groups.rows[g]) / samples;
    const double share = std::min(1.0, count((*lengths)[g]) / mean);
    weighted += share * samples / static_cast<double>(in.reader.size());
    evidence.push_back({{groups.level, groups.names[g]},
                        {"prefix_tokens", (*lengths)[g]},
                        {"mean_tokens", mean},
                        {"share", share}});
  }
  if (weighted < 0.5) return;
  out.push_back(
      {"shared-prefix",
       fmt::format("{:.0f}% of the audited tokens are a prefix that the samples of a {} share: domains "
                   "look separate because their prefixes are; audit last or content positions",
                   percent(weighted), groups.level),
       {{"share", weighted}, {"level", groups.level}, {"groups", evidence}}});
}

// Where tokens are not known: samples of a domain or finer group that are nearly copies of one another.
void shared_content(const WarningInput& in, Warnings& out) {
  double explained = 0;
  for (const LayerResult& layer : in.result.layers) {
    if (!layer.r2.value) return;
    explained += (*layer.r2.value + layer.r2_nested.value.value_or(0)) / count(in.result.layers.size());
  }
  if (explained < 0.9) return;
  out.push_back(
      {"shared-prefix",
       fmt::format(
           "rows average whole prompts, and the group a sample is in explains {:.0f}% of its routing: "
           "prompts of a group seem to share a prefix (few-shot examples), which makes groups look "
           "separate; audit last or content positions",
           percent(explained)),
       {{"variance_explained", explained},
        {"groups", std::max(in.grouping.groups.size(), in.grouping.domains.size())}}});
}

void about_domains(const WarningInput& in, Warnings& out) {
  const auto& domains = in.grouping.domains;
  Json few = Json::array();
  for (const Domain& domain : domains) {
    if (domain.samples < kFewSamples) few.push_back({{"domain", domain.name}, {"samples", domain.samples}});
  }
  if (!few.empty()) {
    out.push_back(
        {"few-samples",
         fmt::format("{} of {} domains have fewer than {} samples (\"{}\": {}): ranks there are mostly noise",
                     few.size(), domains.size(), kFewSamples, few[0]["domain"].get<std::string>(),
                     few[0]["samples"].get<int64_t>()),
         {{"least", kFewSamples}, {"domains", few}}});
  }
  const auto most = std::max_element(domains.begin(), domains.end(),
                                     [](const Domain& a, const Domain& b) { return a.samples < b.samples; });
  const double share = static_cast<double>(most->samples) / static_cast<double>(in.reader.size());
  if (domains.size() > 1 && share > (domains.size() == 2 ? 0.75 : 0.5)) {
    out.push_back({"dominant-domain",
                   fmt::format("domain \"{}\" holds {:.0f}% of the samples: shuffled labels hardly change it",
                               most->name, percent(share)),
                   {{"domain", most->name}, {"samples", most->samples}, {"share", share}}});
  }
  const auto recorded = static_cast<int64_t>(in.reader.trace().samples().size());
  if (recorded > in.reader.size()) {
    out.push_back({"unaudited-samples",
                   fmt::format("{} of {} samples have no {} position and are left out",
                               recorded - in.reader.size(), recorded, in.result.positions),
                   {{"recorded", recorded}, {"audited", in.reader.size()}}});
  }
}

// Ids of layers for which `test` holds.
template <typename Test>
std::vector<int> layers_where(const WarningInput& in, const Test& test) {
  std::vector<int> layers;
  for (size_t l = 0; l < in.observations.size(); ++l) {
    if (test(in.observations[l])) layers.push_back(in.result.layers[l].layer);
  }
  return layers;
}

void degenerate_counts(const WarningInput& in, Warnings& out) {
  const auto k = static_cast<size_t>(in.result.model.top_k);
  auto constant_set = [&](const LayerObservation& observed) {
    std::vector<double> slots = observed.slots;
    std::sort(slots.rbegin(), slots.rend());
    const double total = std::accumulate(slots.begin(), slots.end(), 0.0);
    const double set = std::accumulate(slots.begin(), slots.begin() + static_cast<std::ptrdiff_t>(k), 0.0);
    return k < slots.size() && set > kNearlyAll * total && slots[0] - slots[k - 1] <= 0.05 * slots[0];
  };
  auto equal_counts = [](const LayerObservation& observed) {
    const auto [least, most] = std::minmax_element(observed.slots.begin(), observed.slots.end());
    return observed.slots.size() > 1 && *least > 0 && *least == *most;
  };
  if (const auto layers = layers_where(in, constant_set); 2 * layers.size() > in.observations.size()) {
    out.push_back(
        {"constant-set",
         fmt::format("in {} of {} layers the same {} experts take more than 95% of the slots, evenly: the "
                     "recording, not the model, may have fixed them",
                     layers.size(), in.observations.size(), k),
         {{"layers", layers}}});
  }
  if (const auto layers = layers_where(in, equal_counts); !layers.empty()) {
    out.push_back(
        {"equal-counts",
         fmt::format("in {} of {} layers every expert is executed equally often, as a recorder that misreads "
                     "its buffer reports",
                     layers.size(), in.observations.size()),
         {{"layers", layers}}});
  }
  std::map<std::vector<double>, std::vector<int>> same;
  for (size_t l = 0; l < in.observations.size(); ++l) {
    same[in.observations[l].contributions].push_back(in.result.layers[l].layer);
  }
  Json groups = Json::array();
  for (const auto& [contributions, layers] : same) {
    if (layers.size() > 1) groups.push_back(layers);
  }
  if (!groups.empty()) {
    out.push_back(
        {"identical-layers",
         fmt::format("{} groups of layers have the same contributions to the last digit: a layer seems to be "
                     "recorded more than once",
                     groups.size()),
         {{"groups", groups}}});
  }
}

void degenerate_distributions(const WarningInput& in, Warnings& out) {
  if (in.result.vectors != "routing") return;
  const bool half = in.result.recording.dtype == trace::FloatType::kF16;
  const double tolerance = half ? 1e-2 : 1e-3;
  double worst = 0, ratio = 0;
  for (const auto& observed : in.observations) {
    worst = std::max(worst, observed.worst_sum);
    ratio = std::max(ratio, observed.largest_ratio);
  }
  if (worst > tolerance) {
    out.push_back(
        {"rows-not-one",
         fmt::format("distributions sum to 1 only within {:.2g}: they are no probabilities, or some are "
                     "missing",
                     worst),
         {{"worst", worst}, {"tolerance", tolerance}}});
  }
  if (in.reader.has_executed() && ratio <= std::numbers::e * (1 + 1e-3)) {
    out.push_back(
        {"softmax-twice",
         fmt::format("no probability exceeds another of its row by more than {:.3f} times, the most that a "
                     "softmax of probabilities gives: the scores seem to have been softmaxed twice",
                     ratio),
         {{"largest_ratio", ratio}, {"bound", std::numbers::e}}});
  }
}

}  // namespace

std::vector<Warning> find_warnings(const WarningInput& in) {
  Warnings out;
  if (in.result.positions == "last") {
    same_last_token(in, out);
    same_last_routing(in, out);
  }
  if (in.result.positions == "all" || in.result.positions == "content") shared_prefix(in, out);
  if (in.result.positions == "sample") shared_content(in, out);
  about_domains(in, out);
  if (2 * in.result.k >= in.result.model.experts) {
    out.push_back({"large-k",
                   fmt::format("k = {} of {} experts: any two top-k sets must overlap", in.result.k,
                               in.result.model.experts),
                   {{"k", in.result.k}, {"experts", in.result.model.experts}}});
  }
  degenerate_counts(in, out);
  degenerate_distributions(in, out);
  return out;
}

bool manufactures(const Warning& warning) {
  static const std::set<std::string> kCodes = {"same-last-token", "same-last-routing", "shared-prefix",
                                               "constant-set",    "equal-counts",      "identical-layers",
                                               "rows-not-one",    "softmax-twice"};
  return kCodes.contains(warning.code);
}

}  // namespace committee::audit
