#include "interventions/controls.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <set>

namespace committee::interventions {
namespace {

constexpr int64_t kListed = 20000;  // so many sets are listed rather than drawn one by one

std::vector<int> non_members(int experts, const std::vector<int>& members) {
  std::vector<int> others;
  for (int e = 0; e < experts; ++e) {
    if (std::find(members.begin(), members.end(), e) == members.end()) others.push_back(e);
  }
  return others;
}

// C(n, m), or `most` where it is more.
int64_t choose(int64_t n, int64_t m, int64_t most) {
  if (m > n) return 0;
  int64_t count = 1;
  for (int64_t i = 1; i <= std::min(m, n - m); ++i) {
    count = count * (n - i + 1) / i;
    if (count >= most) return most;
  }
  return count;
}

// All sets of `size` of the items, by their places.
std::vector<std::vector<int>> all_sets(const std::vector<int>& items, size_t size) {
  std::vector<std::vector<int>> sets;
  std::vector<uint8_t> chosen(items.size(), 0);
  std::fill_n(chosen.begin(), size, uint8_t{1});
  do {
    sets.emplace_back();
    for (size_t i = 0; i < items.size(); ++i) {
      if (chosen[i]) sets.back().push_back(items[i]);
    }
  } while (std::prev_permutation(chosen.begin(), chosen.end()));
  return sets;
}

bool permits(const Allowed& allowed, const std::vector<int>& set) { return !allowed || allowed(set); }

}  // namespace

std::vector<std::vector<int>> random_sets(int experts, const std::vector<int>& members, int count,
                                          Random& random, const Allowed& allowed) {
  std::vector<int> others = non_members(experts, members);
  const auto wanted = static_cast<size_t>(count);
  const int64_t there = choose(static_cast<int64_t>(others.size()), static_cast<int64_t>(members.size()),
                               std::max<int64_t>(kListed, int64_t{8} * count));
  std::vector<std::vector<int>> sets;
  if (there == 0 || members.empty()) return sets;
  if (there < std::max<int64_t>(kListed, int64_t{8} * count)) {
    sets = all_sets(others, members.size());
    random.shuffle(std::span(sets));
    std::erase_if(sets, [&](const std::vector<int>& set) { return !permits(allowed, set); });
    if (sets.size() > wanted) sets.resize(wanted);
    return sets;
  }
  std::set<std::vector<int>> seen;
  for (int64_t tries = int64_t{1000} * count; sets.size() < wanted && tries > 0; --tries) {
    for (size_t i = 0; i < members.size(); ++i)
      std::swap(others[i], others[i + random.below(others.size() - i)]);
    std::vector<int> set(others.begin(), others.begin() + static_cast<ptrdiff_t>(members.size()));
    std::sort(set.begin(), set.end());
    if (permits(allowed, set) && seen.insert(set).second) sets.push_back(std::move(set));
  }
  return sets;
}

namespace {

// One of the best choices of the first so many members' partners, as a list from the last to the first.
struct Choice {
  double cost = 0;
  int expert = 0;
  std::shared_ptr<const Choice> before;
};
using Choices = std::vector<std::shared_ptr<const Choice>>;  // by cost ascending

std::vector<int> ids_of(const Choice& choice) {
  std::vector<int> ids;
  for (const Choice* at = &choice; at->before; at = at->before.get()) ids.push_back(at->expert);
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<int> by_frequency(std::span<const double> frequency, std::vector<int> ids) {
  std::sort(ids.begin(), ids.end(), [&](int a, int b) {
    const double x = frequency[static_cast<size_t>(a)], y = frequency[static_cast<size_t>(b)];
    return x < y || (x == y && a < b);
  });
  return ids;
}

// The best `limit` choices of a partner for every target, cheapest first. Two sorted lists pair best in their
// order, so that a set of non-members is one path: each is taken or passed over, rarest first.
Choices best_choices(std::span<const double> frequency, const std::vector<int>& targets,
                     const std::vector<int>& others, size_t limit) {
  std::vector<Choices> best(targets.size() + 1);  // for the first so many targets
  best[0].push_back(std::make_shared<Choice>());
  for (const int other : others) {
    for (size_t t = targets.size(); t > 0; --t) {
      const double distance =
          std::abs(frequency[static_cast<size_t>(other)] - frequency[static_cast<size_t>(targets[t - 1])]);
      Choices more, merged;
      for (const auto& before : best[t - 1])
        more.push_back(std::make_shared<Choice>(Choice{before->cost + distance, other, before}));
      std::merge(best[t].begin(), best[t].end(), more.begin(), more.end(), std::back_inserter(merged),
                 [](const auto& a, const auto& b) { return a->cost < b->cost; });
      if (merged.size() > limit) merged.resize(limit);
      best[t] = std::move(merged);
    }
  }
  return best.back();
}

}  // namespace

std::vector<std::vector<int>> matched_sets(std::span<const double> frequency, const std::vector<int>& members,
                                           int count, const Allowed& allowed) {
  const auto wanted = static_cast<size_t>(count);
  if (members.empty() || wanted == 0) return {};
  const std::vector<int> targets = by_frequency(frequency, members);
  const std::vector<int> others =
      by_frequency(frequency, non_members(static_cast<int>(frequency.size()), members));
  // Where some sets are not allowed, further ones are looked at.
  for (size_t limit = wanted;; limit *= 4) {
    const Choices choices = best_choices(frequency, targets, others, limit);
    std::vector<std::vector<int>> sets;
    for (const auto& choice : choices) {
      std::vector<int> set = ids_of(*choice);
      if (sets.size() < wanted && permits(allowed, set)) sets.push_back(std::move(set));
    }
    if (sets.size() == wanted || choices.size() < limit || limit > size_t{1} << 16) return sets;
  }
}

}  // namespace committee::interventions
