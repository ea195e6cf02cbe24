#pragma once

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "base/random.h"
#include "trace/reader.h"
#include "trace/writer.h"

namespace committee::audit::testing {

// One recorded token: probabilities [L, E] and whether it is content.
struct MadeRow {
  std::vector<float> probs;
  bool content = true;
  int32_t token = 7;
};
struct MadeSample {
  std::string domain, subject;
  std::vector<MadeRow> rows;
};
struct MadeTrace {
  int layers = 2, experts = 8, top_k = 2;
  std::string positions = "last";
  trace::Record record = trace::Record::kFull;
  std::vector<MadeSample> samples;

  // Ids of the k largest, ties lower id first.
  std::vector<uint16_t> best(const float* probs) const {
    std::vector<uint16_t> ids(experts);
    std::iota(ids.begin(), ids.end(), uint16_t{0});
    std::stable_sort(ids.begin(), ids.end(), [&](auto a, auto b) { return probs[a] > probs[b]; });
    ids.resize(top_k);
    return ids;
  }

  trace::Trace write(const std::string& name) const {
    const std::filesystem::path folder = ::testing::TempDir() + "/committee_audit_" + name;
    trace::Manifest manifest;
    manifest.model = {.name = "made",
                      .model_type = "made",
                      .fingerprint = "made",
                      .moe_layers = {},
                      .experts = experts,
                      .top_k = top_k};
    for (int l = 0; l < layers; ++l) manifest.model.moe_layers.push_back(l + 1);
    manifest.recording.positions = positions;
    manifest.recording.record = record;
    manifest.recording.group_columns = {"part"};
    std::vector<int32_t> rows_of;
    for (const auto& sample : samples) rows_of.push_back(static_cast<int32_t>(sample.rows.size()));
    auto writer = trace::TraceWriter::create(folder, manifest, rows_of, trace::Existing::kOverwrite);
    for (size_t s = 0; s < samples.size(); ++s) add(*writer, s);
    writer->finish();
    return trace::Trace::open(folder);
  }

 private:
  void add(trace::TraceWriter& writer, size_t s) const {
    const MadeSample& sample = samples[s];
    model::RecordedRows labels;
    std::vector<float> probs, weights;
    std::vector<uint16_t> ids;
    for (size_t r = 0; r < sample.rows.size(); ++r) {
      const MadeRow& row = sample.rows[r];
      labels.sample.push_back(static_cast<int32_t>(s));
      labels.position.push_back(static_cast<int32_t>(r));
      labels.token.push_back(row.token);
      labels.content.push_back(row.content);
      probs.insert(probs.end(), row.probs.begin(), row.probs.end());
      for (int l = 0; l < layers; ++l) {
        for (const uint16_t id : best(&row.probs[l * experts])) {
          ids.push_back(id);
          weights.push_back(row.probs[l * experts + id]);
        }
      }
    }
    writer.begin_chunk(labels);
    if (record == trace::Record::kTopK) probs.clear();
    writer.record_rows({0, labels.size(), probs, ids, weights});
    writer.end_chunk();
    const std::vector<trace::SampleInfo> info = {{.id = "s" + std::to_string(s),
                                                  .domain = sample.domain,
                                                  .subject = sample.subject,
                                                  .tokens = static_cast<int64_t>(sample.rows.size()),
                                                  .columns = {{"part", "p" + std::to_string(s % 3)}},
                                                  .answer = {},
                                                  .answer_logprobs = {},
                                                  .argmax_token = {},
                                                  .outcome = {}}};
    writer.add_samples(static_cast<int64_t>(s), info);
  }
};

// `counts[d]` samples of domain d, of `rows` tokens; domain d prefers expert d and all share expert 0.
// `effect` 0: no domain effect.
inline MadeTrace made_trace(const std::vector<int>& counts, double effect, uint64_t seed, int rows = 1) {
  MadeTrace made;
  Random random(seed);
  for (size_t d = 0; d < counts.size(); ++d) {
    for (int i = 0; i < counts[d]; ++i) {
      MadeSample sample{"domain " + std::to_string(d), "subject " + std::to_string(d * 2 + i % 2), {}};
      for (int r = 0; r < rows; ++r) {
        MadeRow row;
        for (int l = 0; l < made.layers; ++l) {
          std::vector<double> p(made.experts);
          for (double& x : p) x = 0.1 + random.uniform();
          p[0] += 1;
          p[1 + d % (made.experts - 1)] += effect;
          const double total = std::accumulate(p.begin(), p.end(), 0.0);
          for (const double x : p) row.probs.push_back(static_cast<float>(x / total));
        }
        row.content = r % 2 == 1;
        row.token = static_cast<int32_t>(10 + random.below(5));
        sample.rows.push_back(std::move(row));
      }
      made.samples.push_back(std::move(sample));
    }
  }
  return made;
}

}  // namespace committee::audit::testing
