#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "audit/options.h"
#include "trace/reader.h"

// `--eci reference`: what the authors' scripts compute, to the byte (METHOD 2 and 5). Their choices are kept,
// odd ones too: the expert pool guessed from the largest id, layers shifted by one where the first is 1, the
// fallback to the most present experts, ratios that rounding makes infinite.
namespace committee::audit {

enum class AggWeight { kMean, kSum, kMedian };

struct ReferenceOptions {
  std::optional<int> k{};  // long layout: guessed where absent; other layout: not used
  double presence_ratio = 0.8;
  AggWeight agg_weight = AggWeight::kMean;  // of repeated rows of the long layout
};

// The table that their audit works on: a row a layer and domain, the domain's top experts, best first. Ids
// below 0 are padding.
struct ReferenceTable {
  struct Row {
    int64_t layer = 0;
    std::string domain;
    std::vector<int64_t> ids;
    std::vector<double> values;
  };
  std::vector<Row> rows;
};

// Reads a CSV or XLSX (first sheet) in either layout of FORMATS. Throws Error naming file, line and column.
ReferenceTable read_reference_table(const std::filesystem::path& path, const ReferenceOptions& options);

// Their audit of a table: the text of reference.csv. `name` begins the sentences of errors.
std::string reference_csv(const ReferenceTable& table, double presence_ratio, const std::string& name);

// What their weight-and-frequency script makes of a trace: one row a sample (the last position of a trace of
// all), each domain's k experts of the largest normalised weight times frequency, float32, rounded to 4
// decimals.
struct ReferenceTrace {
  ReferenceTable table;
  std::string csv;  // the text of reference_table.csv
};
ReferenceTrace reference_of_trace(const trace::Trace& trace, const AuditOptions& options);

}  // namespace committee::audit
