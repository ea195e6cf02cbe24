#include "roles/matched.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "roles/tests.h"

namespace committee::roles {
namespace {

// The non-members closest in frequency to each member, the busiest member first, each taken once.
std::vector<int> closest(std::span<const ExpertTokens> experts, std::vector<int> members) {
  std::sort(members.begin(), members.end(), [&](int a, int b) {
    return experts[a].frequency != experts[b].frequency ? experts[a].frequency > experts[b].frequency : a < b;
  });
  std::vector<int> taken;
  for (const int member : members) {
    int best = -1;
    for (int e = 0; e < static_cast<int>(experts.size()); ++e) {
      if (experts[e].in_set || std::find(taken.begin(), taken.end(), e) != taken.end()) continue;
      const auto distance = [&](int i) { return std::abs(experts[i].frequency - experts[member].frequency); };
      if (best < 0 || distance(e) < distance(best)) best = e;
    }
    if (best >= 0) taken.push_back(best);
  }
  return taken;
}

template <typename Value>
std::optional<double> mean_over(const std::vector<int>& experts, Value value) {
  double sum = 0;
  int count = 0;
  for (const int e : experts) {
    const std::optional<double> x = value(e);
    if (!x) continue;
    sum += *x;
    ++count;
  }
  return count > 0 ? std::optional(sum / count) : std::nullopt;
}

struct Layer {
  size_t first;  // expert 0 in RolesResult::experts
  std::vector<int> members, others;
};

template <typename Value>
MatchedTest test(const std::string& figure, const std::vector<Layer>& layers, uint64_t seed, Value value) {
  MatchedTest result{.figure = figure, .p_value = {}};
  std::vector<double> differences;
  for (const Layer& layer : layers) {
    const auto of = [&](int e) { return value(layer.first + e); };
    const auto members = mean_over(layer.members, of), others = mean_over(layer.others, of);
    if (!members || !others) continue;
    result.members += *members;
    result.matched += *others;
    differences.push_back(*members - *others);
  }
  result.layers = static_cast<int>(differences.size());
  if (result.layers == 0) return result;
  result.members /= result.layers;
  result.matched /= result.layers;
  result.p_value = sign_flip_p_value(differences, seed);
  return result;
}

}  // namespace

void match_members(RolesResult& result, int layers, int experts) {
  std::vector<Layer> matched;
  for (int l = 0; l < layers; ++l) {
    Layer layer{.first = static_cast<size_t>(l) * experts, .members = result.options.sets[l], .others = {}};
    layer.others = closest(std::span(result.experts).subspan(layer.first, experts), layer.members);
    if (!layer.others.empty()) matched.push_back(std::move(layer));
  }
  if (matched.empty()) return;
  const uint64_t seed = result.options.audit.seed;
  const auto add = [&](const std::string& figure, auto value) {
    result.matched.push_back(test(figure, matched, seed, value));
  };
  add("frequency", [&](size_t i) { return std::optional(result.experts[i].frequency); });
  result.member_frequency = result.matched.front().members;
  result.matched_frequency = result.matched.front().matched;
  add("uncertainty", [&](size_t i) { return result.experts[i].uncertainty; });
  add("marked_beyond_shuffled", [&](size_t i) -> std::optional<double> {
    const auto& marked = result.experts[i].marked;
    return marked.permuted ? std::optional(*marked.value - marked.permuted->mean) : std::nullopt;
  });
  const size_t groups = result.classes.size() + result.domains.size();
  for (size_t c = 0; c < result.classes.size(); ++c) {
    // Cells are by layer and expert: its classes, then its domains.
    add("log_odds " + result.classes[c], [&](size_t i) { return result.cells[i * groups + c].log_odds; });
  }
}

}  // namespace committee::roles
