#include "audit/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "audit/warnings.h"
#include "base/error.h"

namespace committee::audit {
namespace {

constexpr double kAgreement = 0.95;

// Where an interval lies of a bound.
enum class Side { kAbove, kAround, kBelow };
Side side_of(const Interval& interval, double bound) {
  return interval.low > bound ? Side::kAbove : interval.high <= bound ? Side::kBelow : Side::kAround;
}

// Who is in it: the front itself, or at least every candidate.
bool settled(const LayerResult& layer) {
  const std::set<int> committee(layer.committee.begin(), layer.committee.end());
  const std::set<int> stable(layer.stable->begin(), layer.stable->end());
  return committee == stable || layer.agreement.value_or(0) >= kAgreement ||
         std::all_of(layer.core.begin(), layer.core.end(),
                     [&](int id) { return layer.experts[id].core_inclusion.value_or(0) >= kAgreement; });
}

VerdictText verdict_of(const LayerResult& layer) {
  if (layer.committee.empty()) return {Verdict::kNone, "no expert is in the top k of enough domains"};
  if (!layer.jaccard_mean.bootstrap || !layer.chance || !layer.excess_topk.bootstrap || !layer.stable) {
    return {Verdict::kUndecided,
            "nothing tells the committee from chance: two domains and a bootstrap are needed"};
  }
  const double jaccard = *layer.jaccard_mean.value, coverage = *layer.coverage_topk.value;
  const double floor = *layer.coverage_topk.floor;
  const Side sharing = side_of(*layer.jaccard_mean.bootstrap, *layer.chance);
  if (sharing == Side::kBelow) {
    return {Verdict::kArithmetic,
            fmt::format("domains share no more experts than random sets would (Jaccard {:.2f}, "
                        "chance {:.2f})",
                        jaccard, *layer.chance)};
  }
  const Side excess = side_of(*layer.excess_topk.bootstrap, 0);
  if (excess == Side::kBelow) {
    return {Verdict::kArithmetic,
            fmt::format("its {} members cover {:.0f}% of the top-k mass, no more than equal members "
                        "of a shared set would ({:.0f}%)",
                        layer.committee.size(), 100 * coverage, 100 * floor)};
  }
  if (sharing == Side::kAround || excess == Side::kAround) {
    return {Verdict::kUndecided,
            fmt::format("the intervals hold both the figures and their floors (Jaccard {:.2f} of "
                        "{:.2f}, coverage {:.0f}% of {:.0f}%)",
                        jaccard, *layer.chance, 100 * coverage, 100 * floor)};
  }
  if (!settled(layer)) {
    return {Verdict::kUndecided,
            fmt::format("the samples do not settle who its members are (stable: {}; bootstrap "
                        "committees agree to {:.2f})",
                        layer.stable->empty() ? "none" : fmt::format("{}", fmt::join(*layer.stable, " ")),
                        layer.agreement.value_or(0))};
  }
  return {Verdict::kCommittee,
          fmt::format("experts {} cover {:.0f}% of the top-k mass where equal members would cover "
                      "{:.0f}%, and domains share {:.2f} of their top k (chance {:.2f})",
                      fmt::join(layer.committee, " "), 100 * coverage, 100 * floor, jaccard, *layer.chance)};
}

VerdictText overall(const AuditResult& result) {
  size_t found[4] = {};
  for (const LayerResult& layer : result.layers) ++found[static_cast<int>(layer.verdict.verdict)];
  const size_t committee = found[static_cast<int>(Verdict::kCommittee)];
  const size_t arithmetic = found[static_cast<int>(Verdict::kArithmetic)];
  const size_t none = found[static_cast<int>(Verdict::kNone)];
  const size_t layers = result.layers.size();
  const std::string counts = fmt::format(
      "Of {} layers {} have a committee beyond chance and arithmetic, {} only what arithmetic gives, {} "
      "none, "
      "{} are not decided",
      layers, committee, arithmetic, none, found[static_cast<int>(Verdict::kUndecided)]);
  const auto made = std::find_if(result.warnings.begin(), result.warnings.end(), manufactures);
  if (committee > 0 && made != result.warnings.end()) {
    return {Verdict::kUndecided,
            fmt::format("{}; but the data may have made them: {}", counts, made->message)};
  }
  const Verdict verdict = 2 * committee > layers             ? Verdict::kCommittee
                          : 2 * none > layers                ? Verdict::kNone
                          : 2 * (arithmetic + none) > layers ? Verdict::kArithmetic
                                                             : Verdict::kUndecided;
  return {verdict, counts};
}

}  // namespace

void add_verdicts(AuditResult& result) {
  for (LayerResult& layer : result.layers) layer.verdict = verdict_of(layer);
  result.verdict = overall(result);
}

Stability stability_of(const AuditResult& result) {
  const auto layers = static_cast<double>(result.layers.size());
  Stability stability;
  for (const LayerResult& layer : result.layers) {
    if (!layer.agreement) throw Error("the stability of committees needs an audit with a bootstrap");
    stability.stable_layers += *layer.agreement >= kAgreement ? 1 : 0;
    stability.agreement += *layer.agreement;
  }
  stability.stable_layers /= layers;
  stability.agreement /= layers;
  stability.enough = stability.stable_layers >= kAgreement;
  return stability;
}

}  // namespace committee::audit
