#include "cli/verify.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "audit/committee.h"
#include "base/atomic_file.h"
#include "base/error.h"
#include "base/random.h"
#include "engine/engine.h"
#include "trace/folder.h"
#include "trace/reader.h"

namespace committee::cli {
namespace {

using engine::Sequence;

constexpr int64_t kGroupBytes = int64_t{128} << 20;  // of distributions held at a time

// What one sample's rows hold, layer by layer in every row.
struct Rows {
  std::vector<int32_t> position, token;
  std::vector<float> probs;   // [rows, L, E], empty where the trace has executed experts only
  std::vector<uint16_t> ids;  // [rows, L, k]
};

// Rows of a trace by sample.
class RecordedSamples {
 public:
  explicit RecordedSamples(const trace::Trace& trace) : trace_(trace) {
    const auto counts = trace.sample_rows();
    for (int64_t shard = 0; shard < trace.shards(); ++shard) {
      const auto first = static_cast<size_t>(trace.first_sample(shard));
      int64_t row = 0;
      for (size_t s = first; row < trace.shard_rows(shard); row += counts[s++]) place_[s] = {shard, row};
    }
  }

  Rows read(int32_t sample) {
    Rows rows;
    const auto found = place_.find(static_cast<size_t>(sample));
    if (found == place_.end()) return rows;
    const auto [shard, first] = found->second;
    const auto block = trace_.read(shard, first, trace_.sample_rows()[static_cast<size_t>(sample)], scratch_);
    rows.position.assign(block.position.begin(), block.position.end());
    rows.token.assign(block.token.begin(), block.token.end());
    rows.probs.assign(block.probs.begin(), block.probs.end());
    rows.ids.assign(block.topk_id.begin(), block.topk_id.end());
    return rows;
  }

 private:
  const trace::Trace& trace_;
  trace::Trace::Scratch scratch_;
  std::map<size_t, std::pair<int64_t, int64_t>> place_;  // shard, row
};

// Takes the float32 pass, sample by sample.
class Recomputed : public model::RoutingSink {
 public:
  Recomputed(int64_t layers, int64_t experts, int64_t top_k)
      : layers_(layers), experts_(experts), top_k_(top_k) {}

  void begin_chunk(const model::RecordedRows& rows) override {
    first_ = static_cast<int64_t>(sample_.size());
    sample_.insert(sample_.end(), rows.sample.begin(), rows.sample.end());
    const size_t cells = sample_.size() * static_cast<size_t>(layers_);
    probs.resize(cells * static_cast<size_t>(experts_));
    ids.resize(cells * static_cast<size_t>(top_k_));
  }
  void record(const model::RoutingBatch& batch) override {
    for (int64_t r = 0; r < batch.rows; ++r) {
      const int64_t cell = (first_ + batch.first_row + r) * layers_ + batch.layer;
      std::copy_n(batch.probs.begin() + r * experts_, experts_, probs.begin() + cell * experts_);
      std::copy_n(batch.topk_id.begin() + r * top_k_, top_k_, ids.begin() + cell * top_k_);
    }
  }
  void end_chunk() override {}

  std::vector<float> probs;
  std::vector<uint16_t> ids;

 private:
  int64_t layers_, experts_, top_k_, first_ = 0;
  std::vector<int32_t> sample_;
};

// One layer's contributions [T, E], added up sample by sample: mean distributions, or shares of slots.
struct Contributions {
  std::vector<double> sums;
  std::vector<int64_t> samples;

  std::vector<int> committee(int experts, int top_k) const {
    std::vector<double> means;
    int64_t domains = 0;
    for (size_t t = 0; t < samples.size(); ++t) {
      if (samples[t] == 0) continue;
      ++domains;
      for (int e = 0; e < experts; ++e)
        means.push_back(sums[t * static_cast<size_t>(experts) + static_cast<size_t>(e)] /
                        static_cast<double>(samples[t]));
    }
    const auto tallies = audit::tally_ranks(audit::top_k_of_domains(means, experts, top_k), experts, top_k);
    auto members =
        audit::find_committee(tallies, domains, audit::AuditOptions().gamma, audit::Fallback::kNone).members;
    std::sort(members.begin(), members.end());
    return members;
  }
};

struct LayerCheck {
  int64_t equal = 0;
  double largest = 0;  // difference of a probability
  Contributions recorded, exact;
};

class Comparison {
 public:
  Comparison(const trace::Manifest& manifest, size_t domains)
      : manifest_(manifest), layers_(manifest.model.moe_layers.size()) {
    const size_t cells = domains * experts();
    for (LayerCheck& layer : layers_) {
      for (Contributions* side : {&layer.recorded, &layer.exact}) {
        side->sums.resize(cells);
        side->samples.resize(domains);
      }
    }
  }

  // `row` is the sample's first among those that were recomputed.
  void add(const Rows& recorded, const Recomputed& exact, size_t row, size_t domain) {
    const size_t rows = recorded.position.size();
    for (size_t l = 0; l < layers_.size(); ++l) {
      for (size_t r = 0; r < rows; ++r)
        add_row(l, recorded, r * layers_.size() + l, exact, (row + r) * layers_.size() + l);
      add_contribution(layers_[l].recorded, domain, recorded.probs, recorded.ids, l, 0, rows);
      add_contribution(layers_[l].exact, domain, recorded.probs.empty() ? recorded.probs : exact.probs,
                       exact.ids, l, row, rows);
    }
    rows_ += static_cast<int64_t>(rows);
  }

  int64_t rows() const { return rows_; }
  nlohmann::ordered_json layer_json(size_t l) const;
  double equal_share() const {
    int64_t equal = 0;
    for (const LayerCheck& layer : layers_) equal += layer.equal;
    return share(equal, rows_ * static_cast<int64_t>(layers_.size()));
  }
  size_t worst_layer() const {
    const auto fewer = [](const LayerCheck& a, const LayerCheck& b) { return a.equal < b.equal; };
    return static_cast<size_t>(std::min_element(layers_.begin(), layers_.end(), fewer) - layers_.begin());
  }
  double equal_share(size_t l) const { return share(layers_[l].equal, rows_); }
  size_t layers() const { return layers_.size(); }
  bool committee_unchanged(size_t l) const {
    return committee(layers_[l].recorded) == committee(layers_[l].exact);
  }

 private:
  static double share(int64_t part, int64_t whole) {
    return static_cast<double>(part) / static_cast<double>(whole);
  }
  size_t experts() const { return static_cast<size_t>(manifest_.model.experts); }
  size_t top_k() const { return static_cast<size_t>(manifest_.model.top_k); }
  std::vector<int> committee(const Contributions& side) const {
    return side.committee(manifest_.model.experts, manifest_.model.top_k);
  }

  void add_row(size_t l, const Rows& recorded, size_t cell, const Recomputed& exact, size_t exact_cell) {
    const auto set_of = [&](const std::vector<uint16_t>& ids, size_t at) {
      std::vector<uint16_t> set(ids.begin() + static_cast<ptrdiff_t>(at * top_k()),
                                ids.begin() + static_cast<ptrdiff_t>((at + 1) * top_k()));
      std::sort(set.begin(), set.end());
      return set;
    };
    layers_[l].equal += set_of(recorded.ids, cell) == set_of(exact.ids, exact_cell);
    if (recorded.probs.empty()) return;
    for (size_t e = 0; e < experts(); ++e) {
      const double difference =
          std::abs(double{recorded.probs[cell * experts() + e]} - exact.probs[exact_cell * experts() + e]);
      layers_[l].largest = std::max(layers_[l].largest, difference);
    }
  }

  void add_contribution(Contributions& to, size_t domain, const std::vector<float>& probs,
                        const std::vector<uint16_t>& ids, size_t l, size_t first, size_t rows) {
    ++to.samples[domain];
    double* sums = &to.sums[domain * experts()];
    for (size_t r = first; r < first + rows; ++r) {
      const size_t cell = r * layers_.size() + l;
      if (!probs.empty()) {
        for (size_t e = 0; e < experts(); ++e)
          sums[e] += double{probs[cell * experts() + e]} / static_cast<double>(rows);
      } else {
        for (size_t i = 0; i < top_k(); ++i) sums[ids[cell * top_k() + i]] += 1.0 / static_cast<double>(rows);
      }
    }
  }

  const trace::Manifest& manifest_;
  std::vector<LayerCheck> layers_;
  int64_t rows_ = 0;
};

nlohmann::ordered_json Comparison::layer_json(size_t l) const {
  nlohmann::ordered_json json = {{"layer", manifest_.model.moe_layers[l]}, {"equal_sets", equal_share(l)}};
  json["largest_probability_difference"] = nullptr;
  if (manifest_.recording.record == trace::Record::kFull)
    json["largest_probability_difference"] = layers_[l].largest;
  json["committee"] = committee(layers_[l].recorded);
  json["committee_f32"] = committee(layers_[l].exact);
  json["committee_unchanged"] = committee_unchanged(l);
  return json;
}

// N samples with rows, drawn by the seed, from each domain in turn.
std::vector<int32_t> chosen_samples(const Prompts& prompts, const trace::Trace& trace, int64_t count,
                                    uint64_t seed) {
  std::map<std::string, std::vector<int32_t>> domains;
  for (size_t s = 0; s < trace.samples().size(); ++s) {
    if (trace.sample_rows()[s] > 0)
      domains[prompts.data.samples[s].domain].push_back(static_cast<int32_t>(s));
  }
  Random random(seed);
  for (auto& [domain, samples] : domains) random.shuffle(std::span(samples));
  std::vector<int32_t> chosen;
  for (size_t turn = 0, before = 1; static_cast<int64_t>(chosen.size()) < count && before > 0; ++turn) {
    before = 0;
    for (const auto& [domain, samples] : domains) {
      if (turn >= samples.size() || static_cast<int64_t>(chosen.size()) == count) continue;
      chosen.push_back(samples[turn]);
      ++before;
    }
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

// The prompt with the tokens that were generated, recorded where the trace has rows.
Sequence recorded_sequence(const Sequence& prompt, const Rows& rows) {
  Sequence sequence{prompt.sample, prompt.tokens, {}, rows.position, false};
  for (size_t r = 0; r < rows.position.size(); ++r) {
    if (rows.position[r] == static_cast<int32_t>(sequence.tokens.size()))
      sequence.tokens.push_back(rows.token[r]);
  }
  return sequence;
}

size_t domain_of(const Prompts& prompts, int32_t sample) {
  const auto& names = prompts.data.domains;
  const auto& name = prompts.data.samples[static_cast<size_t>(sample)].domain;
  return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

std::string sentence(const Comparison& comparison, const trace::Manifest& manifest, size_t prompts) {
  std::vector<int> changed;
  for (size_t l = 0; l < comparison.layers(); ++l) {
    if (!comparison.committee_unchanged(l)) changed.push_back(manifest.model.moe_layers[l]);
  }
  const size_t worst = comparison.worst_layer();
  return fmt::format(
      "{} prompts once more in float32: {:.2f}% of the top-k sets are equal (least: {:.2f}%, layer {}); {}",
      prompts, 100 * comparison.equal_share(), 100 * comparison.equal_share(worst),
      manifest.model.moe_layers[worst],
      changed.empty() ? "their committees are unchanged"
                      : fmt::format("their committees change in the layers {}", fmt::join(changed, ", ")));
}

}  // namespace

void check_verify(const CaptureFlags& flags, engine::Compute compute) {
  if (flags.verify > 0 && compute == engine::Compute::kF32) {
    throw Error(
        "--verify compares BF16 with float32, and this capture computes in float32{}",
        flags.recording.compute == "f32" ? " (--compute f32)" : ", as the processor does not multiply BF16");
  }
}

std::string verify(const CaptureFlags& flags, const model::Model& model, const Prompts& prompts,
                   const engine::RoutingPolicy& policy, const std::filesystem::path& folder) {
  const auto trace = trace::Trace::open(folder);
  const trace::Manifest& manifest = trace.manifest();
  const auto chosen = chosen_samples(prompts, trace, flags.verify, flags.seed);
  if (chosen.empty()) throw Error("{}: holds no rows to verify", folder.string());
  const auto layers = static_cast<int64_t>(manifest.model.moe_layers.size());
  const int64_t row_bytes = layers * manifest.model.experts * static_cast<int64_t>(sizeof(float));
  RecordedSamples recorded(trace);
  Comparison comparison(manifest, prompts.data.domains.size());
  engine::Engine engine(model,
                        {engine::Compute::kF32, flags.machine.thread_count(), flags.machine.memory_bytes()});
  for (size_t begin = 0; begin < chosen.size();) {
    std::vector<Sequence> sequences;
    std::vector<Rows> rows;
    for (int64_t bytes = 0; begin < chosen.size() && bytes < kGroupBytes; ++begin) {
      rows.push_back(recorded.read(chosen[begin]));
      sequences.push_back(
          recorded_sequence(prompts.sequences[static_cast<size_t>(chosen[begin])], rows.back()));
      bytes += row_bytes * static_cast<int64_t>(rows.back().position.size());
    }
    Recomputed exact(layers, manifest.model.experts, manifest.model.top_k);
    const engine::Variant variant{policy, &exact, {}};
    engine.prefill(sequences, std::span(&variant, 1), {});
    size_t row = 0;
    for (size_t s = 0; s < rows.size(); row += rows[s++].position.size())
      comparison.add(rows[s], exact, row, domain_of(prompts, sequences[s].sample));
  }
  nlohmann::ordered_json json = {
      {"prompts", chosen.size()}, {"rows", comparison.rows()}, {"compute", "bf16"}, {"against", "f32"}};
  json["equal_sets"] = comparison.equal_share();
  json["committee_unchanged"] = true;
  for (size_t l = 0; l < comparison.layers(); ++l) {
    json["layers"].push_back(comparison.layer_json(l));
    if (!comparison.committee_unchanged(l)) json["committee_unchanged"] = false;
  }
  for (const int32_t sample : chosen)
    json["samples"].push_back(trace.samples()[static_cast<size_t>(sample)].id);
  write_file(folder / trace::kVerifyFile, json.dump(1) + "\n");
  return sentence(comparison, manifest, chosen.size());
}

}  // namespace committee::cli
