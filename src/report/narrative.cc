#include "report/narrative.h"

#include <fmt/format.h>

#include "report/overview.h"
#include "report/text.h"

namespace committee::report {

namespace {

using audit::AuditResult;

std::string range(int low, int high) {
  return low == high ? std::to_string(low) : fmt::format("{}–{}", low, high);
}

// "In 3 of 4 layers", "in all 4 layers"; `in`: the first word.
std::string in_layers(const char* in, int some, int all) {
  if (all == 1) return fmt::format("{} its one layer", in);
  if (some == all) return fmt::format("{} all {} layers", in, all);
  return fmt::format("{} {} of {} layers", in, some, all);
}

std::string committee_sentence(const AuditResult& result, const Overview& view) {
  const std::string share = fmt::format("{:.0f}%", result.options.gamma * 100);
  if (view.with_core == 0) {
    std::string sentence = fmt::format(
        "{} no expert stands in the top {} of {} of the {} domains: there is no core and no committee",
        in_layers("In", view.layers, view.layers), result.k, share, result.domains.size());
    if (view.by_fallback > 0) sentence += "; the experts of maximal presence are shown instead";
    return sentence + ".";
  }
  const std::string core = view.most_core == 1
                               ? "one expert stands"
                               : "the same " + range(view.least_core, view.most_core) + " experts stand";
  return fmt::format(
      "{} {} in the top {} of at least {} of the {} domains (the core); the Pareto front of their ranks "
      "keeps {} "
      "(the committee).",
      in_layers("In", view.with_core, view.layers), core, result.k, share, result.domains.size(),
      range(view.least_size, view.most_size));
}

std::string coverage_sentence(const AuditResult& result, const Overview& view) {
  if (!view.coverage || !view.coverage_floor) return "";
  const double excess = (*view.coverage - *view.coverage_floor) * 100;
  std::string sentence = fmt::format(
      "{} takes {:.1f}% of the top-{} routing mass, where as many equal members of one shared top {} take "
      "{:.1f}%: ",
      view.with_committee < view.layers ? "Where there is a committee, it" : "The committee",
      *view.coverage * 100, result.k, result.k, *view.coverage_floor * 100);
  sentence += excess >= 0 ? fmt::format("{:.1f} points are more than arithmetic", excess)
                          : fmt::format("{:.1f} points less than arithmetic", -excess);
  if (view.coverage_full)
    sentence += fmt::format(". Of the whole mass it is {:.1f}%", *view.coverage_full * 100);
  if (view.coverage_full_floor)
    sentence += fmt::format(" (its head count: {:.1f}%)", *view.coverage_full_floor * 100);
  return sentence + ".";
}

}  // namespace

std::string sharing_sentence(const AuditResult& result) {
  const Overview view = overview(result);
  if (!view.jaccard) return "";
  std::string sentence =
      fmt::format("Two domains' top-{} sets overlap with Jaccard {:.2f}", result.k, *view.jaccard);
  if (view.chance) sentence += fmt::format(" (random sets {:.2f})", *view.chance);
  if (!view.jaccard_permuted) return sentence + ".";
  sentence += fmt::format("; with the domain labels shuffled {:.2f}, ", *view.jaccard_permuted);
  if (view.jaccard_below == 0)
    return sentence + "so domains share as much as any split of the same prompts would.";
  return sentence +
         fmt::format("so domains do route apart {}.", in_layers("in", view.jaccard_below, view.layers));
}

std::string concentration_sentence(const AuditResult& result) {
  const Overview view = overview(result);
  if (!view.gini_topk || !view.gini_floor) return "";
  std::string sentence = fmt::format(
      "Gini over the top-{} mass is {:.3f}, where {:.3f} follow from {:.0f} of {} experts being in any "
      "domain's "
      "top {} at all",
      result.k, *view.gini_topk, *view.gini_floor, view.used.value_or(result.k), result.model.experts,
      result.k);
  if (view.gini_full) sentence += fmt::format("; over the whole mass it is {:.3f}", *view.gini_full);
  return sentence + ".";
}

std::vector<std::string> answer(const AuditResult& result) {
  const Overview view = overview(result);
  std::vector<std::string> sentences;
  for (const auto& sentence :
       {result.verdict.reason, committee_sentence(result, view), coverage_sentence(result, view)}) {
    if (!sentence.empty()) sentences.push_back(sentence);
  }
  return sentences;
}

std::string positions_in_words(const std::string& positions) {
  if (positions == "last") return "last prompt token";
  if (positions == "all") return "all prompt tokens";
  if (positions == "content") return "content tokens";
  if (positions == "generated") return "generated tokens";
  if (positions == "sample") return "sample means";
  return positions;
}

std::vector<std::string> subject_lines(const AuditResult& result) {
  const auto& model = result.model;
  std::string shape = counted(static_cast<int64_t>(result.layers.size()), "layer") + " × " +
                      counted(model.experts, "expert") + fmt::format(", {} a token", model.top_k);
  if (model.shared_experts > 0) shape += fmt::format(" and {} shared", model.shared_experts);
  if (!model.model_type.empty()) shape = model.model_type + ": " + shape;

  std::string data = counted(result.samples, "sample") + " in " +
                     counted(static_cast<int64_t>(result.domains.size()), "domain") + ", " +
                     positions_in_words(result.positions);
  if (result.rows != result.samples) data += " (" + counted(result.rows, "row") + ")";
  if (!result.recording.dataset.empty()) data = result.recording.dataset + ": " + data;

  const auto& options = result.options;
  std::string how =
      fmt::format("--eci {} --k {} --gamma {}, bootstrap {}, permutations {}, seed {}", name_of(options.eci),
                  result.k, options.gamma, options.bootstrap, options.permutations, options.seed);
  return {std::move(shape), std::move(data), std::move(how)};
}

}  // namespace committee::report
