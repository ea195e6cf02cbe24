#include "report/comparison.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "report/figures.h"
#include "report/text.h"

namespace committee::report {

namespace {

using audit::AuditResult;
using audit::Change;
using audit::Figure;
using audit::PairComparison;

// Figures that 1 bounds from above, so that what is over the floor can be a share of what could be.
bool bounded_by_one(std::string_view name) {
  static const std::set<std::string_view> kNames = {
      "coverage_full", "coverage_topk",   "jaccard_mean", "gini_full",
      "gini_topk",     "routing_entropy", "load_entropy", "r2"};
  return kNames.contains(name);
}

class Mean {
 public:
  void add(std::optional<double> value) {
    if (!value) return;
    sum_ += *value;
    ++count_;
  }
  int count() const { return count_; }
  std::optional<double> value() const { return count_ > 0 ? std::optional(sum_ / count_) : std::nullopt; }

 private:
  double sum_ = 0;
  int count_ = 0;
};

ComparedFigure compared_figure(const NamedFigure& named, const AuditResult& result, size_t index) {
  ComparedFigure found{.name = named.name, .audit = index};
  Mean value, floor, permuted, excess_floor, excess_permuted, relative;
  int significant = 0;
  for (const auto& layer : result.layers) {
    const Figure& figure = layer.*named.figure;
    value.add(figure.value);
    if (!figure.value) continue;
    floor.add(figure.floor);
    if (figure.floor) {
      excess_floor.add(*figure.value - *figure.floor);
      if (bounded_by_one(named.name) && *figure.floor < 1) {
        relative.add((*figure.value - *figure.floor) / (1 - *figure.floor));
      }
    }
    if (!figure.permuted) continue;
    permuted.add(figure.permuted->mean);
    excess_permuted.add(*figure.value - figure.permuted->mean);
    significant += figure.permuted->p_value <= 0.05;
  }
  found.value = value.value();
  found.floor = floor.value();
  found.permuted_mean = permuted.value();
  found.excess_floor = excess_floor.value();
  found.excess_permuted = excess_permuted.value();
  found.excess_relative = relative.value();
  found.layers = value.count();
  if (permuted.count() > 0) found.layers_p05 = significant;
  return found;
}

std::vector<ComparedFigure> compared_figures(const std::vector<LabelledAudit>& audits) {
  std::vector<ComparedFigure> figures;
  for (size_t f = 0; f < kLayerFigures.size(); ++f) {
    for (size_t i = 0; i < audits.size(); ++i) {
      const auto& result = audits[i].result;
      auto figure = compared_figure(kLayerFigures[f], result, i);
      figure.interval = (result.*kSummaries[f].summary).mean.bootstrap;
      if (figure.value) figures.push_back(figure);
    }
  }
  return figures;
}

std::string layers_text(int count, size_t all) {
  return count == static_cast<int>(all) ? fmt::format("all {} layers", all)
                                        : fmt::format("{} of {} layers", count, all);
}

// "committees differ beyond bootstrap noise in 5 of 6 layers and within it in 1".
std::string changes_text(const char* sets, const PairComparison& pair,
                         audit::SetChange audit::LayerComparison::*set) {
  const size_t all = pair.layers.size();
  const int beyond = pair.layers_with(set, Change::kBeyondNoise),
            within = pair.layers_with(set, Change::kWithinNoise),
            undecided = pair.layers_with(set, Change::kUndecided);
  if (beyond + within + undecided == 0) return fmt::format("{} are the same in every layer", sets);
  std::vector<std::string> parts;
  if (beyond > 0) parts.push_back(fmt::format("beyond bootstrap noise in {}", layers_text(beyond, all)));
  if (within > 0) parts.push_back(fmt::format("within it in {}", layers_text(within, all)));
  if (undecided > 0) {
    parts.push_back(
        fmt::format("in {} where no bootstrap says whether that is noise", layers_text(undecided, all)));
  }
  if (beyond == 0 && within > 0)
    parts[0] = fmt::format("no further than bootstrap noise in {}", layers_text(within, all));
  return fmt::format("{} differ {}", sets, fmt::join(parts, ", "));
}

std::string interval_text(const std::optional<audit::Interval>& interval) {
  return interval ? fmt::format(" [{:.3f}, {:.3f}]", interval->low, interval->high) : "";
}

std::string pair_sentence(const std::vector<LabelledAudit>& audits, const PairComparison& pair) {
  const std::string who = fmt::format("{} against {}", audits[static_cast<size_t>(pair.audit)].label,
                                      audits[static_cast<size_t>(pair.reference)].label);
  const bool same = pair.layers_with(&audit::LayerComparison::committee, Change::kNone) +
                        pair.layers_with(&audit::LayerComparison::core, Change::kNone) ==
                    2 * static_cast<int>(pair.layers.size());
  std::string sentence =
      same ? fmt::format("{}: no difference, committees and cores are the same in every layer", who)
           : fmt::format("{}: {}; {}", who,
                         changes_text("committees", pair, &audit::LayerComparison::committee),
                         changes_text("cores", pair, &audit::LayerComparison::core));
  if (!same && pair.committee_jaccard) {
    sentence += fmt::format(". Mean Jaccard of committees {:.3f}{}", *pair.committee_jaccard,
                            interval_text(pair.committee_interval));
    if (pair.committee_agreement) {
      sentence += fmt::format(" (two bootstrap committees of one audit: {:.3f})", *pair.committee_agreement);
    }
    if (pair.core_jaccard) {
      sentence += fmt::format(", of cores {:.3f}{}", *pair.core_jaccard, interval_text(pair.core_interval));
    }
  }
  if (pair.spearman) {
    sentence += fmt::format("{} of contributions {:.3f}", same ? "; Spearman correlation" : "; Spearman",
                            *pair.spearman);
  }
  return sentence + ".";
}

std::string shape_text(const AuditResult& result) {
  return fmt::format("{}, {} layers × {} experts, k {}",
                     result.model.model_type.empty() ? "unknown type" : result.model.model_type,
                     result.layers.size(), result.model.experts, result.k);
}

std::string other_shape_sentence(const LabelledAudit& reference, const LabelledAudit& audit) {
  return fmt::format(
      "{} ({}) and {} ({}) differ in shape: their experts have no counterparts in each other, so they are "
      "compared only by figures, each over its own floor and permutation.",
      audit.label, shape_text(audit.result), reference.label, shape_text(reference.result));
}

std::string signed_points(double share) { return fmt::format("{:+.1f} points", share * 100); }

// What is over arithmetic and over shuffled domains, audit by audit.
std::vector<std::string> excess_sentences(const std::vector<LabelledAudit>& audits,
                                          const std::vector<ComparedFigure>& figures) {
  struct Told {
    std::string_view name;
    const char* words;
    std::optional<double> ComparedFigure::*excess;
  };
  constexpr Told kTold[] = {
      {"coverage_topk", "The committee's share of the top-k mass, over what as many equal members hold",
       &ComparedFigure::excess_floor},
      {"gini_topk", "Gini of the top-k mass, over its floor", &ComparedFigure::excess_floor},
      {"jaccard_mean", "Jaccard of the domains, over what shuffled domain labels give",
       &ComparedFigure::excess_permuted},
      {"r2", "Variance explained by domain, over what shuffled labels give",
       &ComparedFigure::excess_permuted}};
  std::vector<std::string> sentences;
  for (const auto& told : kTold) {
    std::vector<std::string> parts;
    for (const auto& figure : figures) {
      if (figure.name != told.name || !(figure.*told.excess)) continue;
      parts.push_back(
          fmt::format("{} {}", audits[figure.audit].label, signed_points(*(figure.*told.excess))));
    }
    if (!parts.empty()) sentences.push_back(fmt::format("{}: {}.", told.words, fmt::join(parts, ", ")));
  }
  return sentences;
}

std::vector<std::string> answer_of(const ComparisonReport& report) {
  std::vector<std::string> sentences;
  const auto& audits = report.audits;
  for (const auto& pair : report.pairs) {
    if (pair.reference == 0) sentences.push_back(pair_sentence(audits, pair));
  }
  for (size_t i = 1; i < audits.size(); ++i) {
    if (!audit::shape_obstacle(audits[0].result, audits[i].result).empty()) {
      sentences.push_back(other_shape_sentence(audits[0], audits[i]));
      continue;
    }
    const auto differences = audit::setting_differences(audits[0].result, audits[i].result);
    if (!differences.empty()) {
      sentences.push_back(fmt::format("{} and {} were made otherwise ({}).", audits[0].label, audits[i].label,
                                      fmt::join(differences, "; ")));
    }
  }
  for (auto& sentence : excess_sentences(audits, report.figures)) sentences.push_back(std::move(sentence));
  return sentences;
}

}  // namespace

const char* name_of(Change change) {
  switch (change) {
    case Change::kNone:
      return "none";
    case Change::kWithinNoise:
      return "within_noise";
    case Change::kBeyondNoise:
      return "beyond_noise";
    case Change::kUndecided:
      break;
  }
  return "undecided";
}

ComparisonReport compare_audits(std::vector<LabelledAudit> audits) {
  ComparisonReport report;
  report.audits = std::move(audits);
  std::vector<const AuditResult*> results;
  for (const auto& audit : report.audits) results.push_back(&audit.result);
  report.pairs = audit::compare(results);
  report.figures = compared_figures(report.audits);
  report.sentences = answer_of(report);
  return report;
}

}  // namespace committee::report
