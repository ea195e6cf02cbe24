#include "audit/sweep.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>

#include "audit/assemble.h"
#include "audit/checks.h"
#include "audit/concentration.h"
#include "audit/grouping.h"
#include "audit/layer_vectors.h"
#include "audit/observe.h"
#include "audit/percentile.h"
#include "audit/replicates.h"
#include "base/error.h"

namespace committee::audit {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

double retention_of(const std::vector<int>& committee, const std::vector<int>& reference) {
  if (reference.empty()) return kUndefined;
  const auto kept = std::count_if(reference.begin(), reference.end(), [&](int id) {
    return std::find(committee.begin(), committee.end(), id) != committee.end();
  });
  return static_cast<double>(kept) / static_cast<double>(reference.size());
}

// What one layer's contributions give at every budget.
struct AtBudgets {
  std::vector<LayerFigures> figures;
  std::vector<double> retention;
};

// One trace's contributions and silhouettes.
struct Source {
  Source(const trace::Trace& trace, const AuditOptions& options)
      : reader(trace, options.positions, options.memory) {}
  SampleReader reader;
  std::vector<LayerObservation> observations = {};
};

void check_same_samples(const SampleReader& reader, const SampleReader& first) {
  bool same = reader.size() == first.size() && reader.layers() == first.layers() &&
              reader.experts() == first.experts();
  for (int64_t s = 0; same && s < first.size(); ++s) {
    const auto& own = reader.trace().samples()[reader.id(s)];
    const auto& other = first.trace().samples()[first.id(s)];
    same = own.id == other.id && own.domain == other.domain;
  }
  if (!same)
    throw Error("{}: holds other samples, layers or experts than {}", reader.trace().folder().string(),
                first.trace().folder().string());
}

class Sweep {
 public:
  Sweep(const trace::Trace& trace, const AuditOptions& options, const std::vector<int>& budgets,
        const std::vector<Rerun>& reruns)
      : rules_(rules_for(trace, options)), pool_(std::max(1, options.threads)) {
    result_ = {options, trace.manifest().model, rules_.k, {}};
    sources_.push_back(std::make_unique<Source>(trace, options));
    grouping_ = group_samples(sources_[0]->reader, options);
    for (const int k : budgets) add_budget(k, SweepMode::kRerank, 0);
    for (const Rerun& rerun : reruns) {
      // The reference itself needs no second reading.
      const bool itself = rerun.trace == &trace;
      if (!itself) {
        sources_.push_back(std::make_unique<Source>(*rerun.trace, options));
        check_same_samples(sources_.back()->reader, sources_[0]->reader);
      }
      add_budget(rerun.k, SweepMode::kRerun, itself ? 0 : sources_.size() - 1);
    }
    for (const auto& source : sources_)
      source->observations = observe(source->reader, grouping_, options.eci, pool_);
  }

  SweepResult run() {
    for (int l = 0; l < layers(); ++l) add_layer(l);
    for (SweepBudget& budget : result_.budgets) add_mean_retention(budget);
    const AuditOptions& options = result_.options;
    if (options.bootstrap > 0) {
      resample(Scheme::kBootstrap, options.bootstrap,
               [](Figure& figure, std::span<const float> replicates, Tail) {
                 if (figure.value) figure.bootstrap = interval_of(replicates);
               });
    }
    if (options.permutations > 0 && grouping_.domains.size() > 1) {
      resample(Scheme::kPermutation, options.permutations,
               [](Figure& figure, std::span<const float> replicates, Tail tail) {
                 figure.permuted = permuted_of(figure.value, replicates, tail);
               });
    }
    return std::move(result_);
  }

 private:
  int layers() const { return sources_[0]->reader.layers(); }

  void add_budget(int k, SweepMode mode, size_t source) {
    if (k < 1 || k > rules_.experts) {
      throw Error("{}: --k {} is outside 1..{} experts", sources_[0]->reader.trace().folder().string(), k,
                  rules_.experts);
    }
    result_.budgets.push_back({.k = k, .mode = mode, .layers = {}, .retention = {}});
    source_of_.push_back(source);
  }

  // contributions [sources][T, E] of layer l, observed or of a replicate.
  AtBudgets at_budgets(const std::vector<std::vector<double>>& contributions, int l) const {
    const auto reference = layer_figures(contributions[0], rules_, specific(0, l)).committee.members;
    AtBudgets at;
    for (size_t b = 0; b < result_.budgets.size(); ++b) {
      Rules rules = rules_;
      rules.k = result_.budgets[b].k;
      const size_t source = source_of_[b];
      at.figures.push_back(layer_figures(contributions[source], rules, specific(source, l)));
      at.retention.push_back(retention_of(at.figures.back().committee.members, reference));
    }
    return at;
  }

  std::vector<int> specific(size_t source, int layer) const {
    const auto& silhouette = sources_[source]->observations[layer].silhouette;
    std::vector<int> domains;
    for (int t = 0; t < static_cast<int>(silhouette.size()); ++t) {
      const auto& least = result_.options.min_specificity;
      if (!least || silhouette[t] > *least) domains.push_back(t);
    }
    return domains;
  }

  void add_layer(int l) {
    std::vector<std::vector<double>> contributions;
    for (const auto& source : sources_) contributions.push_back(source->observations[l].contributions);
    const AtBudgets at = at_budgets(contributions, l);
    for (size_t b = 0; b < result_.budgets.size(); ++b) {
      SweepLayer layer{.layer = result_.model.moe_layers[l],
                       .committee = at.figures[b].committee.members,
                       .size = {},
                       .coverage_topk = {},
                       .ratio_topk = {},
                       .retention = {}};
      const Scalars& s = at.figures[b].scalars;
      layer.size.value = defined(s[kSize]);
      layer.coverage_topk.value = defined(s[kCoverageTopk]);
      layer.ratio_topk.value = defined(s[kRatioTopk]);
      layer.retention.value = defined(at.retention[b]);
      if (const auto candidates = std::ssize(at.figures[b].committee.core); candidates > 0) {
        layer.size.floor = expected_front(candidates);
      }
      const auto members = static_cast<double>(layer.committee.size()),
                 k = static_cast<double>(result_.budgets[b].k);
      if (members > 0) layer.coverage_topk.floor = std::min(1.0, members / k);
      if (members > 0 && members < k) layer.ratio_topk.floor = (rules_.experts - members) / (k - members);
      if (layer.retention.value) layer.retention.floor = members / rules_.experts;
      result_.budgets[b].layers.push_back(std::move(layer));
    }
  }

  // Every budget's figures in each replicate of a scheme; `annotate` puts them beside the observed ones.
  using Annotate = std::function<void(Figure& figure, std::span<const float> replicates, Tail tail)>;
  void resample(Scheme scheme, int replicates, const Annotate& annotate) {
    const AuditOptions& options = result_.options;
    const SortedGrouping sorted = sort_samples(grouping_);
    Draws draws(ResamplePlan(sorted.grouping, scheme, replicates, options.seed), 0, options.memory / 8,
                pool_);
    std::vector<std::vector<std::vector<float>>> retention(result_.budgets.size());  // [budgets][L][R]
    for (int l = 0; l < layers(); ++l) {
      std::vector<ReplicateTable> tables;
      for (size_t source = 0; source < sources_.size(); ++source)
        tables.push_back(replicates_of(source, l, draws, sorted));
      annotate_layer(l, tables, annotate, retention);
    }
    for (size_t b = 0; b < result_.budgets.size(); ++b) {
      annotate(result_.budgets[b].retention, means_over_layers(retention[b]), Tail::kBoth);
    }
  }

  ReplicateTable replicates_of(size_t source, int l, Draws& draws, const SortedGrouping& sorted) {
    const SampleReader& reader = sources_[source]->reader;
    const Eci eci = result_.options.eci;
    const VectorKind geometry = geometry_kind(reader), kind = kind_of(eci);
    const Wanted wanted{.routing = geometry == VectorKind::kRouting,
                        .executed = kind == VectorKind::kExecuted,
                        .slots = kind == VectorKind::kSlots || geometry == VectorKind::kSlots};
    const LayerVectors vectors = load_vectors(reader, wanted, {l, 1}, pool_);
    LayerPack pack(reader, eci, sorted.order);
    pack.load(vectors, l, pool_);
    const RowRange all{0, reader.size()};
    return replicate(pack, draws, sorted.grouping, {rules_, specific(source, l), {&all, 1}}, pool_);
  }

  void annotate_layer(int l, const std::vector<ReplicateTable>& tables, const Annotate& annotate,
                      std::vector<std::vector<std::vector<float>>>& retention) {
    const int64_t count = tables[0].replicates;
    std::vector<AtBudgets> at(count);
    pool_.for_each(count, [&](int64_t r, int) {
      std::vector<std::vector<double>> contributions;
      for (const ReplicateTable& table : tables) {
        contributions.emplace_back(table.contributions.size() / count);
        for (size_t i = 0; i < contributions.back().size(); ++i)
          contributions.back()[i] = table.contributions[i * count + r];
      }
      at[r] = at_budgets(contributions, l);
    });
    for (size_t b = 0; b < result_.budgets.size(); ++b) {
      SweepLayer& layer = result_.budgets[b].layers[l];
      std::vector<float> kept;
      for (const AtBudgets& replicate : at) kept.push_back(static_cast<float>(replicate.retention[b]));
      for (const auto& [figure, scalar] : {std::pair{&layer.size, kSize},
                                           {&layer.coverage_topk, kCoverageTopk},
                                           {&layer.ratio_topk, kRatioTopk}}) {
        std::vector<float> values;
        for (const AtBudgets& replicate : at)
          values.push_back(static_cast<float>(replicate.figures[b].scalars[scalar]));
        annotate(*figure, values, *tail_of(scalar));
      }
      annotate(layer.retention, kept, Tail::kBoth);
      retention[b].push_back(std::move(kept));
    }
  }

  // The mean over layers of every replicate; `retention` [L][R].
  static std::vector<float> means_over_layers(const std::vector<std::vector<float>>& retention) {
    std::vector<float> means;
    for (size_t r = 0; r < retention.front().size(); ++r) {
      std::vector<double> column;
      for (const auto& layer : retention) column.push_back(layer[r]);
      means.push_back(static_cast<float>(spread_of(column).mean));
    }
    return means;
  }

  static void add_mean_retention(SweepBudget& budget) {
    std::vector<double> values, floors;
    for (const SweepLayer& layer : budget.layers) {
      values.push_back(layer.retention.value.value_or(kUndefined));
      floors.push_back(layer.retention.floor.value_or(kUndefined));
    }
    budget.retention.value = defined(spread_of(values).mean);
    budget.retention.floor = defined(spread_of(floors).mean);
  }

  Rules rules_;
  ThreadPool pool_;
  Grouping grouping_;
  std::vector<std::unique_ptr<Source>> sources_;  // the trace, then those of the reruns
  std::vector<size_t> source_of_;                 // by budget
  SweepResult result_;
};

}  // namespace

const char* name_of(SweepMode mode) { return mode == SweepMode::kRerank ? "rerank" : "rerun"; }

int SweepBudget::layers_with_committee() const {
  return static_cast<int>(std::count_if(layers.begin(), layers.end(),
                                        [](const SweepLayer& layer) { return !layer.committee.empty(); }));
}

SweepResult sweep(const trace::Trace& trace, const AuditOptions& options, const std::vector<int>& budgets,
                  const std::vector<Rerun>& reruns) {
  return Sweep(trace, options, budgets, reruns).run();
}

}  // namespace committee::audit
