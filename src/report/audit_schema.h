#pragma once

#include <array>

#include "report/figures.h"

// What audit.json's writer and reader agree on (docs/audit-json.md).
namespace committee::report {

inline constexpr const char* kFormat = "committee-audit audit";
inline constexpr int kFormatVersion = 1;
inline constexpr int kLineDepth = 4;  // objects nested deeper stand on one line

// The values of each enumeration; name_of() gives the names.
inline constexpr std::array kVerdicts = {audit::Verdict::kCommittee, audit::Verdict::kArithmetic,
                                         audit::Verdict::kUndecided, audit::Verdict::kNone};
inline constexpr std::array kTails = {audit::Tail::kLower, audit::Tail::kUpper, audit::Tail::kBoth};
inline constexpr std::array kEcis = {audit::Eci::kRouting, audit::Eci::kExecuted, audit::Eci::kFrequency};
inline constexpr std::array kFallbacks = {audit::Fallback::kNone, audit::Fallback::kMaxPresence};
inline constexpr std::array kPositions = {audit::Positions::kRecorded, audit::Positions::kLast,
                                          audit::Positions::kAll, audit::Positions::kContent};
inline constexpr std::array kRecords = {trace::Record::kFull, trace::Record::kTopK};
inline constexpr std::array kFloatTypes = {trace::FloatType::kF32, trace::FloatType::kF16};
inline constexpr std::array kExecuted = {trace::Executed::kIdsAndWeights, trace::Executed::kIds,
                                         trace::Executed::kNone};

inline const char* name_of(trace::Record record) { return record == trace::Record::kFull ? "full" : "topk"; }
inline const char* name_of(trace::FloatType type) { return type == trace::FloatType::kF32 ? "f32" : "f16"; }
inline const char* name_of(trace::Executed executed) {
  switch (executed) {
    case trace::Executed::kIdsAndWeights:
      return "ids_and_weights";
    case trace::Executed::kIds:
      return "ids";
    case trace::Executed::kNone:
      break;
  }
  return "none";
}

struct NamedExpertFigure {
  const char* name;
  audit::Figure audit::ExpertFigures::*figure;
};
inline constexpr std::array kExpertFigures = {
    NamedExpertFigure{"contribution", &audit::ExpertFigures::contribution},
    NamedExpertFigure{"presence", &audit::ExpertFigures::presence},
    NamedExpertFigure{"avg_rank", &audit::ExpertFigures::avg_rank},
    NamedExpertFigure{"rank_variance", &audit::ExpertFigures::rank_variance},
};

struct NamedShuffleFigure {
  const char* name;
  audit::Figure audit::ShuffleBaseline::*figure;
};
inline constexpr std::array kShuffleFigures = {
    NamedShuffleFigure{"size", &audit::ShuffleBaseline::size},
    NamedShuffleFigure{"core_size", &audit::ShuffleBaseline::core_size},
    NamedShuffleFigure{"coverage_topk", &audit::ShuffleBaseline::coverage_topk},
    NamedShuffleFigure{"jaccard_mean", &audit::ShuffleBaseline::jaccard_mean},
};

}  // namespace committee::report
