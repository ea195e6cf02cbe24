#include "balance/balance.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "audit/layer_vectors.h"
#include "audit/percentile.h"
#include "audit/resample_plan.h"
#include "balance/biases.h"
#include "base/error.h"

namespace committee::balance {
namespace {

using audit::Figure;
using audit::Tail;

constexpr int kAtOnce = 32;  // replicates in flight

void check(const trace::Trace& trace, const BalanceOptions& options) {
  const auto& recording = trace.manifest().recording;
  const std::string name = trace.folder().string();
  if (recording.record != trace::Record::kFull) {
    throw Error("{}: holds the executed experts only; balance needs the whole distributions (--record full)",
                name);
  }
  if (recording.executed == trace::Executed::kNone) {
    throw Error("{}: holds shares of samples, not the distributions and executed experts of tokens", name);
  }
  if (!(options.tolerance > 0)) throw Error("--tolerance {} must be above 0", options.tolerance);
}

// Columns of a layer's matrix of samples: sums of G [E], slots [E], then these.
enum Column : int { kMoved, kLost, kRows, kColumns };

// Figures of one set of samples by domain, sums [T, width].
struct Sums {
  std::span<const double> values;
  size_t width;
  int experts;

  size_t domains() const { return values.size() / width; }
  std::span<const double> row(size_t d) const { return values.subspan(d * width, width); }
  double column(std::span<const double> row_of, Column c) const { return row_of[2 * experts + c]; }
  std::vector<double> all() const {
    std::vector<double> sum(width);
    for (size_t d = 0; d < domains(); ++d) {
      for (size_t i = 0; i < width; ++i) sum[i] += row(d)[i];
    }
    return sum;
  }
  // E·Σ f·P̄.
  double loss(std::span<const double> sums) const {
    double dot = 0, slots = 0;
    for (int e = 0; e < experts; ++e) {
      dot += sums[e] * sums[experts + e];
      slots += sums[experts + e];
    }
    return experts * dot / (slots * column(sums, kRows));
  }
  double loss_within() const {
    double sum = 0;
    for (size_t d = 0; d < domains(); ++d) sum += loss(row(d));
    return sum / static_cast<double>(domains());
  }
};

class Balance {
 public:
  Balance(const trace::Trace& trace, const BalanceOptions& options)
      : options_(options),
        pool_(std::max(1, options.audit.threads)),
        reader_(trace, options.audit.positions, options.audit.memory),
        grouping_(audit::group_samples(reader_, options.audit)),
        experts_(reader_.experts()),
        k_(trace.manifest().model.top_k) {
    result_ = {options,
               trace.manifest().model,
               reader_.positions(),
               reader_.size(),
               reader_.rows(),
               grouping_.domains,
               {}};
  }

  BalanceResult run() {
    biases_ = find_biases(reader_, options_.tolerance, options_.max_passes, pool_);
    moves_ = apply_biases(reader_, biases_, pool_);
    for (int l = 0; l < reader_.layers(); ++l) layer(l);
    return std::move(result_);
  }

 private:
  void layer(int l) {
    const auto vectors = audit::load_vectors(reader_, {.routing = true, .slots = true}, {l, 1}, pool_);
    const int64_t samples = reader_.size();
    audit::TileMatrix matrix(samples, 2 * experts_ + kColumns);
    for (int64_t s = 0; s < samples; ++s) {
      const auto rows = static_cast<float>(reader_.rows(s));
      for (int e = 0; e < experts_; ++e) {
        matrix.at(s, e) = vectors.routing[s * experts_ + e] * rows;
        matrix.at(s, experts_ + e) = vectors.slots[s * experts_ + e];
      }
      const size_t at = s * reader_.layers() + l;
      matrix.at(s, 2 * experts_ + kMoved) = moves_.moved[at];
      matrix.at(s, 2 * experts_ + kLost) = moves_.lost[at];
      matrix.at(s, 2 * experts_ + kRows) = rows;
    }
    LayerBalance out{.layer = result_.model.moe_layers[l]};
    observed(l, matrix, out);
    resample(matrix, audit::Scheme::kBootstrap, options_.audit.bootstrap, out);
    if (grouping_.domains.size() > 1) {
      resample(matrix, audit::Scheme::kPermutation, options_.audit.permutations, out);
    }
    result_.layers.push_back(std::move(out));
  }

  void observed(int l, audit::TileMatrix& matrix, LayerBalance& out) {
    const size_t domains = grouping_.domains.size(), width = 2 * experts_ + kColumns;
    std::vector<double> values(domains * width);
    double executed = 0, agrees = 0;
    for (int64_t s = 0; s < reader_.size(); ++s) {
      double* sum = &values[grouping_.domain_of[s] * width];
      for (size_t i = 0; i < width; ++i) sum[i] += matrix.at(s, static_cast<int>(i));
      executed += moves_.executed[s * reader_.layers() + l];
      agrees += moves_.rule_agrees[s * reader_.layers() + l];
    }
    const Sums sums{values, width, experts_};
    const auto all = sums.all();
    const auto rows = sums.column(all, kRows);
    out.balance_loss = {.value = sums.loss(all), .floor = 1};
    out.balance_loss_within_domain = {.value = sums.loss_within(), .floor = 1};
    out.slots_moved.value = sums.column(all, kMoved) / (rows * k_);
    out.mass_lost.value = sums.column(all, kLost) / rows;
    out.executed_mass = executed / rows;
    out.rule_agrees = agrees / rows;
    const double uniform = rows * k_ / experts_;
    double dot = 0;
    for (int e = 0; e < experts_; ++e) {
      out.worst_load = std::max(out.worst_load, std::abs(all[experts_ + e] / uniform - 1));
      dot += all[e] * static_cast<double>(moves_.load[l][e]);
    }
    out.balance_loss_balanced = experts_ * dot / (rows * k_ * rows);
    out.worst_load_balanced = biases_[l].worst;
    out.converged = biases_[l].converged;
    out.passes = biases_[l].passes;
    out.biases = biases_[l].bias;
    for (int e = 0; e < experts_; ++e) out.frequency.push_back(all[experts_ + e] / rows);
    for (size_t d = 0; d < domains; ++d) {
      const auto row = sums.row(d);
      const double own = sums.column(row, kRows);
      out.domains.push_back({{.value = sums.loss(row), .floor = 1},
                             sums.column(row, kMoved) / (own * k_),
                             sums.column(row, kLost) / own});
    }
  }

  void resample(const audit::TileMatrix& matrix, audit::Scheme scheme, int replicates, LayerBalance& out) {
    if (replicates == 0) return;
    const int64_t samples = reader_.size();
    const size_t domains = grouping_.domains.size();
    const audit::ResamplePlan plan(grouping_, scheme, replicates, options_.audit.seed);
    std::vector<int32_t> lists(kAtOnce * samples);
    std::vector<float> loss, within, moved, lost;
    std::vector<std::vector<float>> by_domain(domains);
    for (int first = 0; first < replicates; first += kAtOnce) {
      const int count = std::min(kAtOnce, replicates - first);
      plan.draw(first, count, lists, pool_);
      const audit::SegmentRows drawn(lists, count, plan.starts(), pool_);
      const auto sums = matrix.segment_sums(drawn, 0, count, pool_);
      const size_t width = matrix.width(), size = domains * width;
      for (int r = 0; r < count; ++r) {
        const Sums one{std::span(sums).subspan(r * size, size), width, experts_};
        const auto all = one.all();
        const double rows = one.column(all, kRows);
        loss.push_back(static_cast<float>(one.loss(all)));
        within.push_back(static_cast<float>(one.loss_within()));
        moved.push_back(static_cast<float>(one.column(all, kMoved) / (rows * k_)));
        lost.push_back(static_cast<float>(one.column(all, kLost) / rows));
        for (size_t d = 0; d < domains; ++d) by_domain[d].push_back(static_cast<float>(one.loss(one.row(d))));
      }
    }
    if (scheme == audit::Scheme::kPermutation) {
      Figure& figure = out.balance_loss_within_domain;
      figure.permuted = audit::permuted_of(figure.value, within, Tail::kUpper);
      for (size_t d = 0; d < domains; ++d) {
        Figure& own = out.domains[d].balance_loss;
        own.permuted = audit::permuted_of(own.value, by_domain[d], Tail::kUpper);
      }
      return;
    }
    out.balance_loss.bootstrap = audit::interval_of(loss);
    out.balance_loss_within_domain.bootstrap = audit::interval_of(within);
    out.slots_moved.bootstrap = audit::interval_of(moved);
    out.mass_lost.bootstrap = audit::interval_of(lost);
    for (size_t d = 0; d < domains; ++d)
      out.domains[d].balance_loss.bootstrap = audit::interval_of(by_domain[d]);
  }

  const BalanceOptions& options_;
  ThreadPool pool_;
  audit::SampleReader reader_;
  audit::Grouping grouping_;
  int experts_, k_;
  std::vector<Biases> biases_;
  Moves moves_;
  BalanceResult result_;
};

}  // namespace

BalanceResult balance(const trace::Trace& trace, const BalanceOptions& options) {
  check(trace, options);
  return Balance(trace, options).run();
}

}  // namespace committee::balance
