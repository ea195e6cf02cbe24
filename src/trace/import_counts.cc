#include "trace/import_counts.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "base/error.h"
#include "trace/import_sink.h"

namespace committee::trace {
namespace {

double sum_of(const std::vector<double>& counts) {
  return std::accumulate(counts.begin(), counts.end(), 0.0);
}

// Files of one domain (of several ranks, say) are added up.
std::vector<DomainCounts> joined(std::vector<DomainCounts> parts) {
  std::vector<DomainCounts> domains;
  for (auto& part : parts) {
    const auto same = std::find_if(domains.begin(), domains.end(),
                                   [&](const DomainCounts& domain) { return domain.domain == part.domain; });
    if (same == domains.end()) {
      domains.push_back(std::move(part));
      continue;
    }
    for (const auto& [layer, counts] : part.layers) {
      auto& sums = same->layers[layer];
      if (sums.empty()) sums.resize(counts.size());
      if (sums.size() != counts.size()) {
        throw Error("{}: layer {} has {} experts, in {} {}", part.file, layer, counts.size(), same->file,
                    sums.size());
      }
      for (size_t expert = 0; expert < counts.size(); ++expert) sums[expert] += counts[expert];
    }
    if (same->tokens && part.tokens) *same->tokens += *part.tokens;
    if (!part.tokens) same->tokens.reset();
  }
  return domains;
}

// The ids of layers that have counts in any domain.
std::set<int> routed_layers(const std::vector<DomainCounts>& domains) {
  std::set<int> layers;
  for (const auto& domain : domains) {
    for (const auto& [layer, counts] : domain.layers) {
      for (size_t expert = 0; expert < counts.size(); ++expert) {
        if (!(counts[expert] >= 0) || !std::isfinite(counts[expert])) {
          throw Error("{}: layer {}, expert {} has the count {}", domain.file, layer, expert, counts[expert]);
        }
      }
      if (sum_of(counts) > 0) layers.insert(layer);
    }
  }
  if (layers.empty()) throw Error("{}: no layer has any count", domains.front().file);
  return layers;
}

size_t check_shapes(const std::vector<DomainCounts>& domains, const std::set<int>& layers) {
  const size_t experts = domains.front().layers.at(*layers.begin()).size();
  for (const auto& domain : domains) {
    for (const int layer : layers) {
      const auto found = domain.layers.find(layer);
      if (found == domain.layers.end() || sum_of(found->second) == 0) {
        throw Error("{}: layer {} has no counts, in other files it has", domain.file, layer);
      }
      if (found->second.size() != experts) {
        throw Error("{}: layer {} has {} experts, others have {}", domain.file, layer, found->second.size(),
                    experts);
      }
    }
  }
  return experts;
}

// Even a router that picks experts at random scatters counts: the sum of (count - mean)²/mean is near the
// number of experts. Far below that the counts were not drawn at all. (Of few experts only equality tells.)
bool too_even(const std::vector<double>& counts) {
  if (counts.size() < 8)
    return std::all_of(counts.begin(), counts.end(), [&](double count) { return count == counts[0]; });
  const double mean = sum_of(counts) / static_cast<double>(counts.size());
  double scatter = 0;
  for (const double count : counts) scatter += (count - mean) * (count - mean) / mean;
  return scatter < static_cast<double>(counts.size()) / 8;
}

void refuse_partitions(const DomainCounts& domain, const std::set<int>& layers, size_t experts) {
  const auto even = std::count_if(layers.begin(), layers.end(), [&](int layer) {
    const auto& counts = domain.layers.at(layer);
    // Scatter is known for counts, not for shares, and says little where most experts have seen no token.
    return experts > 1 && sum_of(counts) >= 2.0 * static_cast<double>(experts) && too_even(counts);
  });
  if (2 * even > std::ssize(layers)) {
    throw Error(
        "{}: in {} of {} layers all experts have practically the same count, which no routing gives: a flat "
        "copy of "
        "the strided ffn_moe_topk tensor counts whole rankings instead of the top k",
        domain.file, even, layers.size());
  }
}

// From the counts where the source says how many tokens they are of, else from the options.
int find_top_k(const std::vector<DomainCounts>& domains, const std::set<int>& layers, size_t experts,
               const ImportOptions& options) {
  std::optional<int> top_k = options.top_k;
  for (const auto& domain : domains) {
    if (!domain.tokens || *domain.tokens <= 0) continue;
    const double ratio = sum_of(domain.layers.at(*layers.begin())) / *domain.tokens;
    if (std::abs(ratio - std::round(ratio)) > 1e-6 * ratio || ratio < 1 || ratio > 1e6) continue;
    const int found = static_cast<int>(std::lround(ratio));
    if (top_k && *top_k != found) {
      throw Error("{}: its counts are of {} experts a token, not {}", domain.file, found, *top_k);
    }
    top_k = found;
  }
  if (!top_k)
    throw Error("{}: does not say how many experts a token executes: give --k", domains.front().file);
  if (*top_k < 1 || static_cast<size_t>(*top_k) > experts) {
    throw Error("{}: --k must be in 1..{}, the experts; found {}", domains.front().file, experts, *top_k);
  }
  return *top_k;
}

Manifest describe(const char* kind, const std::filesystem::path& input, const std::set<int>& layers,
                  size_t experts, int top_k) {
  Manifest manifest;
  manifest.model.name = name_of_input(input);
  manifest.model.moe_layers.assign(layers.begin(), layers.end());
  manifest.model.experts = static_cast<int>(std::min<size_t>(experts, 1 << 20));
  manifest.model.top_k = top_k;
  auto& recording = manifest.recording;
  recording.dataset = manifest.model.name;
  recording.source = kind;
  recording.positions = "sample";
  recording.executed = Executed::kNone;
  recording.allowed_eci = {"frequency"};
  return manifest;
}

}  // namespace

ImportResult import_counts(const char* kind, const std::filesystem::path& input,
                           const std::filesystem::path& output, const ImportOptions& options,
                           std::vector<DomainCounts> parts, std::vector<std::string> warnings) {
  const auto domains = joined(std::move(parts));
  const auto layers = routed_layers(domains);
  const size_t experts = check_shapes(domains, layers);
  if (options.experts && static_cast<size_t>(*options.experts) != experts) {
    throw Error("{}: has {} experts, not {}", domains.front().file, experts, *options.experts);
  }
  for (const auto& domain : domains) refuse_partitions(domain, layers, experts);
  const auto manifest = describe(kind, input, layers, experts, find_top_k(domains, layers, experts, options));

  ImportSink sink(output, manifest, std::vector<int32_t>(domains.size(), 1), options.existing);
  for (const auto& domain : domains) {
    ImportSink::SampleRows row{.position = {0}, .token = {-1}};
    for (const int layer : layers) {
      const auto& counts = domain.layers.at(layer);
      const double sum = sum_of(counts);
      for (const double count : counts) row.probs.push_back(static_cast<float>(count / sum));
    }
    sink.add({.id = domain.domain,
              .domain = domain.domain,
              .subject = domain.domain,
              .tokens = static_cast<int64_t>(std::clamp(domain.tokens.value_or(0), 0.0, 1e15))},
             row);
  }
  warnings.push_back(
      "the source has one vector of counts a domain: statistics over samples (intervals, permutations, "
      "silhouettes) "
      "do not exist");
  const size_t all_layers = domains.front().layers.size();
  if (all_layers > layers.size()) {
    warnings.push_back(
        fmt::format("{} layers without any count were left out (dense ones)", all_layers - layers.size()));
  }
  return {sink.finish(), std::move(warnings)};
}

}  // namespace committee::trace
