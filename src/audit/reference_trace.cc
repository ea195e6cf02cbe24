#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "audit/grouping.h"
#include "audit/python_numbers.h"
#include "audit/reference.h"
#include "audit/sample_reader.h"
#include "base/csv.h"
#include "base/error.h"

namespace committee::audit {
namespace {

// The weights of one expert over a domain's samples; a sample that does not execute it counts as 0.
struct Cell {
  float least = std::numeric_limits<float>::infinity(), most = -std::numeric_limits<float>::infinity();
  int64_t count = 0;
  double normalised = 0;  // sum over samples
};

using Scored = std::pair<float, int>;

// The k best of a row in the order of the library that their script calls: among equal values what its
// selection leaves in front.
std::vector<Scored> best_of(std::vector<Scored> scores, int k) {
  auto better = [](const Scored& a, const Scored& b) { return a.first > b.first; };
  if (static_cast<size_t>(k) * 64 <= scores.size()) {
    std::partial_sort(scores.begin(), scores.begin() + k, scores.end(), better);
  } else {
    std::nth_element(scores.begin(), scores.begin() + k - 1, scores.end(), better);
    std::sort(scores.begin(), scores.begin() + k - 1, better);
  }
  scores.resize(k);
  return scores;
}

class Script {
 public:
  Script(const trace::Trace& trace, const AuditOptions& options)
      : reader_(trace, positions_for(trace, options), options.memory),
        grouping_(group_samples(reader_, options)),
        k_(options.k.value_or(trace.manifest().model.top_k)),
        cells_(grouping_.domains.size() * reader_.layers() * reader_.experts()) {
    const auto& [model, recording] = std::tie(trace.manifest().model, trace.manifest().recording);
    if (k_ < 1 || k_ > model.experts) {
      throw Error("{}: --k {} is outside 1..{} experts", trace.folder().string(), k_, model.experts);
    }
    recorded_ids_ = k_ == model.top_k && recording.executed != trace::Executed::kNone;
    if (!recorded_ids_ && recording.record == trace::Record::kTopK) {
      throw Error("{}: --eci reference with --k {} needs the full distributions, the trace has the top {}",
                  trace.folder().string(), k_, model.top_k);
    }
  }

  ReferenceTrace run() {
    for_each_weight([](Cell& cell, float weight) {
      cell.least = std::min(cell.least, weight);
      cell.most = std::max(cell.most, weight);
      ++cell.count;
    });
    for (size_t i = 0; i < cells_.size(); ++i) {
      Cell& cell = cells_[i];
      if (const int64_t absent = samples_of(i) - cell.count; absent > 0) {
        cell.least = std::min(cell.least, 0.0F);
        cell.most = std::max(cell.most, 0.0F);
        cell.normalised = static_cast<double>(absent) * normalised(cell, 0);
      }
    }
    for_each_weight([](Cell& cell, float weight) { cell.normalised += normalised(cell, weight); });
    return tables();
  }

 private:
  // Their recorder takes one position a prompt, its last.
  static Positions positions_for(const trace::Trace& trace, const AuditOptions& options) {
    const auto& recording = trace.manifest().recording;
    const auto& allowed = recording.allowed_eci;
    if (std::find(allowed.begin(), allowed.end(), "reference") == allowed.end()) {
      throw Error("{}: --eci reference needs what this trace lacks, its source ({}) allows: {}",
                  trace.folder().string(), recording.source, fmt::join(allowed, ", "));
    }
    if (options.positions != Positions::kRecorded && options.positions != Positions::kLast) {
      throw Error("--eci reference takes one position a sample, --positions last, not {}",
                  name_of(options.positions));
    }
    return recording.positions == "all" ? Positions::kLast : options.positions;
  }

  static float normalised(const Cell& cell, float weight) {
    return (weight - cell.least) / ((cell.most - cell.least) + 1e-6F);
  }

  int64_t samples_of(size_t cell) const {
    return grouping_.domains[cell / (static_cast<size_t>(reader_.layers()) * reader_.experts())].samples;
  }

  template <typename Visit>
  void for_each_weight(Visit visit) {
    trace::Trace::Scratch scratch;
    const size_t experts = reader_.experts(), layers = reader_.layers();
    for (int64_t sample = 0; sample < reader_.size(); ++sample) {
      const trace::RowBlock row = reader_.last_row(sample, scratch);
      for (size_t layer = 0; layer < layers; ++layer) {
        Cell* cells = &cells_[(grouping_.domain_of[sample] * layers + layer) * experts];
        for (const auto& [weight, id] : executed(row, layer)) visit(cells[id], weight);
      }
    }
  }

  std::vector<Scored> executed(const trace::RowBlock& row, size_t layer) const {
    const size_t experts = reader_.experts(), k = k_;
    std::vector<Scored> result;
    if (recorded_ids_) {
      for (size_t i = layer * k; i < (layer + 1) * k; ++i) {
        const int id = row.topk_id[i];
        result.emplace_back(row.topk_weight.empty() ? row.probs[layer * experts + id] : row.topk_weight[i],
                            id);
      }
      return result;
    }
    for (size_t e = 0; e < experts; ++e)
      result.emplace_back(row.probs[layer * experts + e], static_cast<int>(e));
    std::partial_sort(result.begin(), result.begin() + k_, result.end(),
                      [](const Scored& a, const Scored& b) {
                        return a.first != b.first ? a.first > b.first : a.second < b.second;
                      });
    result.resize(k);
    return result;
  }

  ReferenceTable::Row row_of(size_t domain, size_t layer, float& mean) const {
    const size_t experts = reader_.experts();
    const auto samples = grouping_.domains[domain].samples;
    std::vector<Scored> scores;
    for (size_t e = 0; e < experts; ++e) {
      const Cell& cell = cells_[(domain * reader_.layers() + layer) * experts + e];
      const auto weight = static_cast<float>(cell.normalised / static_cast<double>(samples));
      scores.emplace_back(weight * (static_cast<float>(cell.count) / static_cast<float>(samples)),
                          static_cast<int>(e));
    }
    ReferenceTable::Row row{
        reader_.trace().manifest().model.moe_layers[layer], grouping_.domains[domain].name, {}, {}};
    float sum = 0;
    for (const auto& [value, id] : best_of(std::move(scores), k_)) {
      row.ids.push_back(id);
      row.values.push_back(python::round_decimals(value, 4));
      sum += value;
    }
    mean = sum / static_cast<float>(k_);
    return row;
  }

  ReferenceTrace tables() const {
    ReferenceTrace result;
    CsvWriter csv({"domain", "idx", "topk_mean", "topk_values", "topk_indices"});
    for (size_t layer = 0; layer < static_cast<size_t>(reader_.layers()); ++layer) {
      for (size_t domain = 0; domain < grouping_.domains.size(); ++domain) {
        float mean = 0;
        ReferenceTable::Row row = row_of(domain, layer, mean);
        std::vector<std::string> values;
        for (const double value : row.values) values.push_back(python::repr(value));
        csv.add(row.domain).add(row.layer).add(python::repr(mean));
        csv.add(fmt::format("{}", fmt::join(values, ", ")))
            .add(fmt::format("{}", fmt::join(row.ids, ", ")))
            .end_row();
        result.table.rows.push_back(std::move(row));
      }
    }
    result.csv = csv.text();
    return result;
  }

  SampleReader reader_;
  Grouping grouping_;
  int k_;
  bool recorded_ids_ = false;
  std::vector<Cell> cells_;  // [T, L, E]
};

}  // namespace

ReferenceTrace reference_of_trace(const trace::Trace& trace, const AuditOptions& options) {
  return Script(trace, options).run();
}

}  // namespace committee::audit
