#include "roles/roles.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include "audit/layer_vectors.h"
#include "audit/percentile.h"
#include "base/error.h"
#include "roles/domain_cells.h"
#include "roles/matched.h"
#include "roles/tests.h"
#include "roles/token_counts.h"

namespace committee::roles {
namespace {

using audit::Figure;
using audit::LayerRange;
using audit::Tail;

constexpr double kDiscovery = 0.05;

// Positions of one token a sample say nothing about which tokens an expert serves.
void check(const trace::Trace& trace, const RolesOptions& options) {
  const auto& manifest = trace.manifest();
  const std::string name = trace.folder().string();
  if (manifest.recording.positions == "last" || options.audit.positions == audit::Positions::kLast) {
    throw Error(
        "{}: roles need the tokens of a sample, not its last one only: record --positions all, content "
        "or generated",
        name);
  }
  if (options.sets.size() != manifest.model.moe_layers.size()) {
    throw Error("{}: has {} MoE layers, the sets of experts {}", name, manifest.model.moe_layers.size(),
                options.sets.size());
  }
  for (const auto& set : options.sets) {
    for (const int id : set) {
      if (id < 0 || id >= manifest.model.experts) throw Error("{}: has no expert {}", name, id);
    }
  }
}

Figure with_permuted(double value, std::span<const float> replicates, Tail tail) {
  Figure figure{.value = value};
  if (!replicates.empty()) figure.permuted = audit::permuted_of(value, replicates, tail);
  return figure;
}

class Roles {
 public:
  Roles(const trace::Trace& trace, const RolesOptions& options)
      : options_(options),
        pool_(std::max(1, options.audit.threads)),
        reader_(trace, options.audit.positions, options.audit.memory),
        grouping_(audit::group_samples(reader_, options.audit)),
        rows_(reader_, grouping_),
        classes_(classify(rows_, options)),
        layers_(reader_.layers()),
        experts_(reader_.experts()) {
    result_.options = options;
    result_.model = trace.manifest().model;
    result_.positions = reader_.positions();
    result_.rows = reader_.rows();
    result_.known_rows = rows_.rows();
    result_.distinct_tokens = static_cast<int64_t>(rows_.tokens().size());
    result_.domains = grouping_.domains;
    if (rows_.rows() > 0) result_.classes = classes_.names;
  }

  RolesResult run() {
    if (rows_.rows() > 0) tokens();
    domains();
    finish_cells();
    if (rows_.rows() > 0) match_members(result_, layers_, experts_);
    return std::move(result_);
  }

 private:
  int id(int layer) const { return result_.model.moe_layers[layer]; }
  bool in_set(int layer, int expert) const {
    const auto& set = options_.sets[layer];
    return std::find(set.begin(), set.end(), expert) != set.end();
  }

  // Layers whose tables fit half of the memory at once; one at least.
  int layers_at_once() const {
    const auto table = static_cast<int64_t>(rows_.pairs().size()) * experts_ * 4;
    return static_cast<int>(
        std::clamp<int64_t>(options_.audit.memory / 2 / std::max<int64_t>(table, 1), 1, layers_));
  }

  void tokens() {
    strata_.assign(layers_, std::vector<Stratified>(experts_ * classes_.names.size()));
    result_.experts.resize(static_cast<size_t>(layers_) * experts_);
    for (int first = 0; first < layers_; first += layers_at_once()) {
      const LayerRange range{first, std::min(layers_at_once(), layers_ - first)};
      CountTable table{range, rows_.pairs().size(), static_cast<size_t>(experts_), {}};
      table.counts.resize(range.count * table.pairs * table.experts);
      token_range(range, table);
    }
    token_tests();
    class_cells();
  }

  void token_range(LayerRange range, CountTable& table) {
    const int shuffles = options_.shuffles;
    std::vector<TokenFigures> observed(range.count);
    std::vector<std::vector<float>> information(range.count), marked(range.count);  // [E, R]
    for (int r = 0; r <= shuffles; ++r) {
      std::vector<std::vector<Stratified>>* strata = r == 0 && range.count > 0 ? &strata_ : nullptr;
      count(rows_, options_.audit.seed, r, table, &classes_, strata, pool_);
      pool_.for_each(range.count, [&](int64_t l, int) {
        const auto figures =
            token_figures(rows_, table.of(range.first + static_cast<int>(l)), experts_, options_, logs_);
        if (r == 0) {
          observed[l] = figures;
          information[l].resize(static_cast<size_t>(experts_) * shuffles);
          marked[l].resize(information[l].size());
          return;
        }
        for (int e = 0; e < experts_; ++e) {
          information[l][e * shuffles + r - 1] = static_cast<float>(figures.information[e]);
          marked[l][e * shuffles + r - 1] = static_cast<float>(figures.marked[e]);
        }
      });
      if (r > 0) continue;
      for (int l = 0; l < range.count; ++l) served(range.first + l, table.of(range.first + l));
    }
    for (int l = 0; l < range.count; ++l) {
      for (int e = 0; e < experts_; ++e) {
        const auto row = [&](const std::vector<float>& values) {
          return std::span(values).subspan(static_cast<size_t>(e) * shuffles, shuffles);
        };
        expert(range.first + l, e, observed[l], row(information[l]), row(marked[l]));
      }
    }
  }

  void expert(int layer, int e, const TokenFigures& figures, std::span<const float> information,
              std::span<const float> marked) {
    ExpertTokens& out = result_.experts[static_cast<size_t>(layer) * experts_ + e];
    out = {.layer = id(layer), .expert = e, .in_set = in_set(layer, e)};
    const double f = static_cast<double>(figures.slots[e]) / static_cast<double>(rows_.rows());
    out.frequency = f;
    out.information = with_permuted(figures.information[e], information, Tail::kUpper);
    out.marked = with_permuted(static_cast<double>(figures.marked[e]), marked, Tail::kUpper);
    if (!(f > 0 && f < 1)) return;
    out.entropy = -f * std::log2(f) - (1 - f) * std::log2(1 - f);
    if (information.size() < 2) return;
    const double mean = std::accumulate(information.begin(), information.end(), 0.0) /
                        static_cast<double>(information.size());
    double variance = 0;
    for (const float x : information) variance += (x - mean) * (x - mean);
    variance /= static_cast<double>(information.size() - 1);
    out.uncertainty = (figures.information[e] - mean) / *out.entropy;
    if (variance > 0) {
      out.p_value = std::max(0.5 * std::erfc((figures.information[e] - mean) / std::sqrt(2 * variance)),
                             std::numeric_limits<double>::min());
    }
  }

  // The tokens of a layer's members: the `top` most frequent and all marked ones, by count, then id.
  void served(int layer, std::span<const uint32_t> counts) {
    for (const int e : options_.sets[layer]) {
      std::vector<ServedToken> tokens;
      for (size_t v = 0; v < rows_.tokens().size(); ++v) {
        ServedToken token{.layer = id(layer), .expert = e, .token = rows_.tokens()[v]};
        for (int32_t p = rows_.first_pair()[v]; p < rows_.first_pair()[v + 1]; ++p) {
          const uint32_t n = counts[p * static_cast<size_t>(experts_) + e];
          token.count += n;
          token.domains += n >= options_.min_count;
        }
        if (token.count == 0) continue;
        token.occurrences = rows_.counts()[v];
        token.share = static_cast<double>(token.count) / static_cast<double>(token.occurrences);
        token.marked = token.domains >= options_.min_domains && token.share >= options_.min_share;
        token.token_class = classes_.of_token[v];
        token.document_frequency = classes_.document_frequency[v];
        tokens.push_back(token);
      }
      std::sort(tokens.begin(), tokens.end(), [](const ServedToken& a, const ServedToken& b) {
        return a.count != b.count ? a.count > b.count : a.token < b.token;
      });
      for (size_t i = 0; i < tokens.size(); ++i) {
        if (static_cast<int>(i) < options_.top || tokens[i].marked) result_.tokens.push_back(tokens[i]);
      }
    }
  }

  void token_tests() {
    std::vector<std::optional<double>> p;
    for (const auto& expert : result_.experts) p.push_back(expert.p_value);
    const auto q = q_values(p);
    for (size_t i = 0; i < q.size(); ++i) result_.experts[i].q_value = q[i];
  }

  void class_cells() {
    const int classes = static_cast<int>(classes_.names.size());
    std::vector<double> of_class(classes);  // slots are k a token
    for (size_t v = 0; v < rows_.tokens().size(); ++v) {
      of_class[classes_.of_token[v]] += static_cast<double>(rows_.counts()[v] * result_.model.top_k);
    }
    const double all = static_cast<double>(rows_.rows() * result_.model.top_k);
    for (int l = 0; l < layers_; ++l) {
      for (int e = 0; e < experts_; ++e) {
        const Stratified* own = &strata_[l][static_cast<size_t>(e) * classes];
        double slots = 0;
        for (int c = 0; c < classes; ++c) slots += own[c].slots;
        for (int c = 0; c < classes; ++c) {
          Cell cell{.layer = id(l),
                    .expert = e,
                    .in_set = in_set(l, e),
                    .kind = CellKind::kTokenClass,
                    .group = c,
                    .slots = static_cast<int64_t>(own[c].slots)};
          fill(cell, slots, of_class[c], all, own[c].p_value());
          result_.cells.push_back(cell);
        }
      }
    }
  }

  // Log odds need an expert with slots and a group that is neither empty nor all there is.
  static void fill(Cell& cell, double of_expert, double of_group, double all, std::optional<double> p) {
    if (!(of_expert > 0 && of_group > 0 && of_group < all)) return;
    const auto a = static_cast<double>(cell.slots);
    cell.log_odds = log_odds(a, of_expert - a, of_group - a, all - of_expert - of_group + a);
    cell.p_value = p;
  }

  void domains() {
    const int replicates = grouping_.domains.size() > 1 ? options_.audit.permutations : 0;
    permuted_.resize(replicates);
    for (int l = 0; l < layers_; ++l) {
      const auto vectors = audit::load_vectors(reader_, {.slots = true}, {l, 1}, pool_);
      domain_layer(l, {vectors.slots, experts_, grouping_}, replicates);
    }
  }

  void domain_layer(int l, const LayerSlots& layer, int replicates) {
    const auto observed = slots_by_domain(layer);
    const DomainTest test(layer);
    domain_cells(l, observed, test.p_values(observed));
    const auto& set = options_.sets[l];
    std::vector<std::vector<float>> parts(6, std::vector<float>(replicates));
    for_each_permutation(layer, replicates, options_.audit.seed, pool_,
                         [&](int r, std::span<const double> by_domain) {
                           for (const auto& p : test.p_values(by_domain)) {
                             if (p && *p <= kDiscovery) permuted_[r].push_back(*p);
                           }
                           const auto figures = figures_of(information(by_domain, experts_, set));
                           for (size_t i = 0; i < parts.size(); ++i)
                             parts[i][r] = static_cast<float>(figures[i]);
                         });
    const auto value = information(observed, experts_, set);
    const auto figures = figures_of(value);
    LayerInformation out{.layer = id(l), .set = set, .share_of_slots = value.slots_inside};
    Figure* const places[] = {&out.total,           &out.inside,           &out.outside,
                              &out.inside_per_slot, &out.outside_per_slot, &out.difference};
    for (size_t i = 0; i < parts.size(); ++i) {
      if (std::isnan(figures[i])) continue;
      *places[i] = with_permuted(figures[i], parts[i], i == 5 ? Tail::kBoth : Tail::kUpper);
    }
    result_.information.push_back(std::move(out));
  }

  // In the order of LayerInformation's figures; NaN where the set, or the rest, has no slots.
  static std::array<double, 6> figures_of(const Information& info) {
    const double none = std::numeric_limits<double>::quiet_NaN();
    const double inside = info.slots_inside > 0 ? info.inside / info.slots_inside : none;
    const double outside = info.slots_inside < 1 ? info.outside / (1 - info.slots_inside) : none;
    return {info.total,
            info.slots_inside > 0 ? info.inside : none,
            info.slots_inside < 1 ? info.outside : none,
            inside,
            outside,
            outside - inside};
  }

  void domain_cells(int l, std::span<const double> by_domain, const std::vector<std::optional<double>>& p) {
    const size_t domains = grouping_.domains.size();
    const double all = std::accumulate(by_domain.begin(), by_domain.end(), 0.0);
    for (int e = 0; e < experts_; ++e) {
      double own = 0;
      for (size_t d = 0; d < domains; ++d) own += by_domain[d * experts_ + e];
      for (size_t d = 0; d < domains; ++d) {
        const auto row = by_domain.subspan(d * experts_, experts_);
        Cell cell{.layer = id(l),
                  .expert = e,
                  .in_set = in_set(l, e),
                  .kind = CellKind::kDomain,
                  .group = static_cast<int>(d),
                  .slots = static_cast<int64_t>(row[e])};
        fill(cell, own, std::accumulate(row.begin(), row.end(), 0.0), all, p[e * domains + d]);
        result_.cells.push_back(cell);
      }
    }
  }

  // Benjamini-Hochberg over all cells and over those of a kind, and what both keep where the domain labels
  // are shuffled.
  void finish_cells() {
    std::stable_sort(result_.cells.begin(), result_.cells.end(), [](const Cell& a, const Cell& b) {
      return std::tie(a.layer, a.expert) < std::tie(b.layer, b.expert);
    });
    std::vector<std::optional<double>> p;
    std::vector<double> of_classes;
    int64_t tested = 0;
    for (const Cell& cell : result_.cells) {
      p.push_back(cell.p_value);
      tested += cell.p_value.has_value();
      if (cell.kind == CellKind::kTokenClass && cell.p_value) of_classes.push_back(*cell.p_value);
    }
    auto domain_p = p, class_p = p;
    for (size_t i = 0; i < p.size(); ++i) {
      (result_.cells[i].kind == CellKind::kDomain ? class_p : domain_p)[i].reset();
    }
    const auto q = q_values(p), of_domain = q_values(domain_p), of_class = q_values(class_p);
    for (size_t i = 0; i < q.size(); ++i) {
      Cell& cell = result_.cells[i];
      if (!cell.p_value) continue;
      const auto& own = cell.kind == CellKind::kDomain ? of_domain : of_class;
      cell.q_value = std::max(*q[i], *own[i]);
      Discoveries& tally =
          cell.kind == CellKind::kDomain ? result_.domain_discoveries : result_.class_discoveries;
      ++tally.cells;
      tally.found += *cell.q_value <= kDiscovery;
      tally.in_set += *cell.q_value <= kDiscovery && cell.in_set;
    }
    if (permuted_.empty()) return;
    std::vector<int64_t> found(permuted_.size());
    pool_.for_each(static_cast<int64_t>(permuted_.size()),
                   [&](int64_t r, int) { found[r] = discoveries(permuted_[r], of_classes, tested); });
    result_.domain_discoveries.permuted_mean =
        std::accumulate(found.begin(), found.end(), 0.0) / static_cast<double>(found.size());
    result_.domain_discoveries.permuted_most = *std::max_element(found.begin(), found.end());
  }

  // The largest p-value that Benjamini-Hochberg keeps among `tested`; `p` ascending, those up to kDiscovery.
  static double threshold(const std::vector<double>& p, int64_t tested) {
    for (size_t i = p.size(); i-- > 0;) {
      if (p[i] * static_cast<double>(tested) <= kDiscovery * static_cast<double>(i + 1)) return p[i];
    }
    return -1;
  }

  // How many of the `domains` p-values are kept among all tested cells, `others` among them, and among their
  // own.
  int64_t discoveries(std::vector<double> domains, const std::vector<double>& others, int64_t tested) const {
    std::sort(domains.begin(), domains.end());
    std::vector<double> all = domains;
    all.insert(all.end(), others.begin(), others.end());
    std::sort(all.begin(), all.end());
    const double least =
        std::min(threshold(all, tested), threshold(domains, result_.domain_discoveries.cells));
    return std::upper_bound(domains.begin(), domains.end(), least) - domains.begin();
  }

  const RolesOptions& options_;
  ThreadPool pool_;
  audit::SampleReader reader_;
  audit::Grouping grouping_;
  TokenRows rows_;
  TokenClasses classes_;
  int layers_, experts_;
  CountLogs logs_;
  std::vector<std::vector<Stratified>> strata_;  // [L][E·classes]
  std::vector<std::vector<double>> permuted_;    // [R] p-values of domain cells up to kDiscovery
  RolesResult result_;
};

}  // namespace

RolesResult roles(const trace::Trace& trace, const RolesOptions& options) {
  check(trace, options);
  return Roles(trace, options).run();
}

}  // namespace committee::roles
