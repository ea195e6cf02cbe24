#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>

#include "audit/result.h"

// The names under which every report shows a layer's figures.
namespace committee::report {

struct NamedFigure {
  const char* name;
  audit::Figure audit::LayerResult::*figure;
};

inline constexpr std::array kLayerFigures = {
    NamedFigure{"size", &audit::LayerResult::size},
    NamedFigure{"core_size", &audit::LayerResult::core_size},
    NamedFigure{"avg_rank", &audit::LayerResult::avg_rank},
    NamedFigure{"rank_variance", &audit::LayerResult::rank_variance},
    NamedFigure{"coverage_full", &audit::LayerResult::coverage_full},
    NamedFigure{"coverage_topk", &audit::LayerResult::coverage_topk},
    NamedFigure{"excess_topk", &audit::LayerResult::excess_topk},
    NamedFigure{"ratio_full", &audit::LayerResult::ratio_full},
    NamedFigure{"ratio_topk", &audit::LayerResult::ratio_topk},
    NamedFigure{"jaccard_mean", &audit::LayerResult::jaccard_mean},
    NamedFigure{"jaccard_min", &audit::LayerResult::jaccard_min},
    NamedFigure{"jaccard_max", &audit::LayerResult::jaccard_max},
    NamedFigure{"gini_full", &audit::LayerResult::gini_full},
    NamedFigure{"gini_topk", &audit::LayerResult::gini_topk},
    NamedFigure{"used_experts", &audit::LayerResult::used_experts},
    NamedFigure{"routing_entropy", &audit::LayerResult::routing_entropy},
    NamedFigure{"load_entropy", &audit::LayerResult::load_entropy},
    NamedFigure{"effective_experts", &audit::LayerResult::effective_experts},
    NamedFigure{"max_over_mean", &audit::LayerResult::max_over_mean},
    NamedFigure{"unused", &audit::LayerResult::unused},
    NamedFigure{"r2", &audit::LayerResult::r2},
    NamedFigure{"r2_nested", &audit::LayerResult::r2_nested},
};

// The same figures in the same order.
struct NamedSummary {
  const char* name;
  audit::Summary audit::AuditResult::*summary;
};

inline constexpr std::array kSummaries = {
    NamedSummary{"size", &audit::AuditResult::size},
    NamedSummary{"core_size", &audit::AuditResult::core_size},
    NamedSummary{"avg_rank", &audit::AuditResult::avg_rank},
    NamedSummary{"rank_variance", &audit::AuditResult::rank_variance},
    NamedSummary{"coverage_full", &audit::AuditResult::coverage_full},
    NamedSummary{"coverage_topk", &audit::AuditResult::coverage_topk},
    NamedSummary{"excess_topk", &audit::AuditResult::excess_topk},
    NamedSummary{"ratio_full", &audit::AuditResult::ratio_full},
    NamedSummary{"ratio_topk", &audit::AuditResult::ratio_topk},
    NamedSummary{"jaccard", &audit::AuditResult::jaccard},
    NamedSummary{"jaccard_min", &audit::AuditResult::jaccard_min},
    NamedSummary{"jaccard_max", &audit::AuditResult::jaccard_max},
    NamedSummary{"gini_full", &audit::AuditResult::gini_full},
    NamedSummary{"gini_topk", &audit::AuditResult::gini_topk},
    NamedSummary{"used_experts", &audit::AuditResult::used_experts},
    NamedSummary{"routing_entropy", &audit::AuditResult::routing_entropy},
    NamedSummary{"load_entropy", &audit::AuditResult::load_entropy},
    NamedSummary{"effective_experts", &audit::AuditResult::effective_experts},
    NamedSummary{"max_over_mean", &audit::AuditResult::max_over_mean},
    NamedSummary{"unused", &audit::AuditResult::unused},
    NamedSummary{"r2", &audit::AuditResult::r2},
    NamedSummary{"r2_nested", &audit::AuditResult::r2_nested},
};

// A figure's name as a reader would say it; a name that is none of these stays.
inline std::string title_of(const std::string& name) {
  static const std::map<std::string, std::string> titles = {
      {"size", "Committee size"},
      {"core_size", "Core size"},
      {"avg_rank", "Mean rank of members"},
      {"rank_variance", "Variance of members' ranks"},
      {"coverage_full", "Committee's share of the whole mass"},
      {"coverage_topk", "Committee's share of the top-k mass"},
      {"excess_topk", "Excess share of the top-k mass"},
      {"ratio_full", "Influence density ratio, whole mass"},
      {"ratio_topk", "Influence density ratio, top k"},
      {"jaccard", "Jaccard of the domains' top-k sets"},
      {"jaccard_mean", "Jaccard of the domains' top-k sets"},
      {"jaccard_min", "Jaccard, least of two domains"},
      {"jaccard_max", "Jaccard, most of two domains"},
      {"gini_full", "Gini of the whole mass"},
      {"gini_topk", "Gini of the top-k mass"},
      {"used_experts", "Experts in any domain's top k"},
      {"routing_entropy", "Entropy of a token's routing"},
      {"load_entropy", "Entropy of the load"},
      {"effective_experts", "Effective experts"},
      {"max_over_mean", "Largest load over the mean"},
      {"unused", "Unused experts"},
      {"r2", "Variance that domain explains"},
      {"r2_nested", "Variance that the nested level explains"},
      {"silhouette", "Mean silhouette"},
  };
  const auto found = titles.find(name);
  return found == titles.end() ? name : found->second;
}

struct NamedExtreme {
  const char* name;
  audit::Figure audit::Summary::*figure;
};

inline constexpr std::array kExtremes = {
    NamedExtreme{"max", &audit::Summary::max},
    NamedExtreme{"min", &audit::Summary::min},
    NamedExtreme{"mean", &audit::Summary::mean},
};

// The parts of a figure beside its value, by the suffix that they have as a column.
struct Baseline {
  const char* suffix;
  std::optional<double> (*get)(const audit::Figure&);
};

inline constexpr std::array kBaselines = {
    Baseline{"floor", [](const audit::Figure& f) { return f.floor; }},
    Baseline{
        "permuted_mean",
        [](const audit::Figure& f) { return f.permuted ? std::optional(f.permuted->mean) : std::nullopt; }},
    Baseline{
        "permuted_low",
        [](const audit::Figure& f) { return f.permuted ? std::optional(f.permuted->low) : std::nullopt; }},
    Baseline{
        "permuted_high",
        [](const audit::Figure& f) { return f.permuted ? std::optional(f.permuted->high) : std::nullopt; }},
    Baseline{"p_value",
             [](const audit::Figure& f) {
               return f.permuted ? std::optional(f.permuted->p_value) : std::nullopt;
             }},
    Baseline{
        "low",
        [](const audit::Figure& f) { return f.bootstrap ? std::optional(f.bootstrap->low) : std::nullopt; }},
    Baseline{
        "high",
        [](const audit::Figure& f) { return f.bootstrap ? std::optional(f.bootstrap->high) : std::nullopt; }},
};

inline const char* name_of(audit::Tail tail) {
  switch (tail) {
    case audit::Tail::kLower:
      return "lower";
    case audit::Tail::kUpper:
      return "upper";
    case audit::Tail::kBoth:
      break;
  }
  return "both";
}

inline const char* name_of(audit::Verdict verdict) {
  switch (verdict) {
    case audit::Verdict::kCommittee:
      return "committee";
    case audit::Verdict::kArithmetic:
      return "arithmetic";
    case audit::Verdict::kUndecided:
      return "undecided";
    case audit::Verdict::kNone:
      return "none";
  }
  return "undecided";
}

}  // namespace committee::report
