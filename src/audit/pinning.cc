#include "audit/pinning.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "audit/checks.h"
#include "audit/grouping.h"
#include "audit/observe.h"
#include "audit/percentile.h"
#include "audit/pin_plans.h"
#include "audit/resample_plan.h"
#include "base/error.h"
#include "base/random.h"

namespace committee::audit {

namespace {

constexpr std::array kPlans = {PinPlan::kGlobal, PinPlan::kEqualSplit, PinPlan::kFrequency,
                               PinPlan::kCommittee, PinPlan::kPerDomain};
constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

size_t index_of(PinPlan plan) {
  return static_cast<size_t>(std::find(kPlans.begin(), kPlans.end(), plan) - kPlans.begin());
}

// How much of each cell a plan keeps: 0 or 1, or the mean over several sets. Empty: no plan could be made.
using Weights = std::vector<float>;

// Per sample and plan, the slots that a plan which has not seen the sample serves.
struct Served {
  std::vector<double> slots;  // [N]
  std::vector<double> hits;   // [N, plans, 2]: by held-out samples, by left-out domains; NaN: undefined
};

class Pinner {
 public:
  Pinner(const trace::Trace& trace, const AuditOptions& audit, const PinOptions& options)
      : rules_(rules_for(trace, audit)),
        audit_(audit),
        options_(options),
        pool_(std::max(1, audit.threads)),
        reader_(trace, audit.positions, audit.memory),
        grouping_(group_samples(reader_, audit)),
        cells_(static_cast<size_t>(reader_.layers()) * static_cast<size_t>(reader_.experts())) {
    if (options.experts < 1 || options.experts > static_cast<int64_t>(cells_)) {
      throw Error("{}: {} experts cannot be kept of {} ({} layers of {})", trace.folder().string(),
                  options.experts, cells_, reader_.layers(), reader_.experts());
    }
  }

  PinResult run() {
    deal_folds();
    count();
    PinResult result;
    result.options = options_;
    result.samples = reader_.size();
    result.k = rules_.k;
    export_plan(result);
    serve();
    rate(result);
    return result;
  }

 private:
  size_t domains() const { return grouping_.domains.size(); }
  size_t folds() const { return static_cast<size_t>(options_.folds); }
  size_t domain_of(int64_t sample) const {
    return static_cast<size_t>(grouping_.domain_of[static_cast<size_t>(sample)]);
  }

  // Each domain's samples in a drawn order, dealt to the folds in turn.
  void deal_folds() {
    fold_of_.resize(static_cast<size_t>(reader_.size()));
    std::vector<std::vector<int64_t>> members(domains());
    for (int64_t s = 0; s < reader_.size(); ++s) members[domain_of(s)].push_back(s);
    for (size_t d = 0; d < members.size(); ++d) {
      Random random(audit_.seed, d);
      random.shuffle(std::span(members[d]));
      for (size_t i = 0; i < members[d].size(); ++i) {
        fold_of_[static_cast<size_t>(members[d][i])] = static_cast<int>(i % folds());
      }
    }
  }

  void count() {
    counts_.assign(domains() * folds(), std::vector<double>(cells_));
    const auto experts = static_cast<size_t>(reader_.experts());
    for_each_vector(reader_, {.slots = true}, {0, reader_.layers()}, pool_,
                    [&](int64_t sample, int layer, const SampleVectors& vectors) {
                      const auto fold = static_cast<size_t>(fold_of_[static_cast<size_t>(sample)]);
                      double* sums = counts_[domain_of(sample) * folds() + fold].data() +
                                     static_cast<size_t>(layer) * experts;
                      for (size_t e = 0; e < experts; ++e) sums[e] += vectors.slots[e];
                    });
  }

  // Slots of a domain without those of one fold (-1: none left out).
  std::vector<double> domain_counts(size_t domain, int without_fold) const {
    std::vector<double> sums(cells_);
    for (size_t f = 0; f < folds(); ++f) {
      if (static_cast<int>(f) == without_fold) continue;
      const auto& counts = counts_[domain * folds() + f];
      for (size_t i = 0; i < cells_; ++i) sums[i] += counts[i];
    }
    return sums;
  }

  // Training counts without a fold of every domain, or without a whole domain (-1: none).
  SlotShares shares(int without_fold, int without_domain) const {
    SlotShares found{reader_.layers(), reader_.experts(), rules_.k, audit_.gamma, {}};
    for (size_t d = 0; d < domains(); ++d) {
      if (static_cast<int>(d) != without_domain) found.domains.push_back(domain_counts(d, without_fold));
    }
    return found;
  }

  Weights weights(const SlotShares& train, PinPlan plan) const {
    const bool any = std::any_of(train.domains.begin(), train.domains.end(), [](const auto& counts) {
      return std::any_of(counts.begin(), counts.end(), [](double count) { return count > 0; });
    });
    if (!any) return {};
    Weights kept(cells_);
    for (const int32_t cell : choose_cells(train, plan, options_.experts))
      kept[static_cast<size_t>(cell)] = 1;
    return kept;
  }

  Weights own_weights(size_t domain, int without_fold) const {
    SlotShares own{reader_.layers(), reader_.experts(), rules_.k, audit_.gamma, {}};
    own.domains.push_back(domain_counts(domain, without_fold));
    return weights(own, PinPlan::kPerDomain);
  }

  void export_plan(PinResult& result) const {
    const SlotShares all = shares(-1, -1);
    const auto kept = weights(all, options_.plan);
    if (kept.empty()) throw Error("the trace has no executed experts");
    const auto experts = static_cast<size_t>(reader_.experts());
    result.kept.resize(static_cast<size_t>(reader_.layers()));
    std::vector<double> served(result.kept.size()), whole(result.kept.size());
    for (size_t d = 0; d < domains(); ++d) {
      const double total = std::accumulate(all.domains[d].begin(), all.domains[d].end(), 0.0);
      if (total == 0) continue;
      for (size_t i = 0; i < cells_; ++i) {
        whole[i / experts] += all.domains[d][i] / total;
        if (kept[i] > 0) served[i / experts] += all.domains[d][i] / total;
      }
    }
    for (size_t i = 0; i < cells_; ++i) {
      if (kept[i] > 0) result.kept[i / experts].push_back(static_cast<int>(i % experts));
    }
    for (size_t l = 0; l < served.size(); ++l)
      result.layer_rates.push_back(whole[l] > 0 ? served[l] / whole[l] : 0);
    result.rate =
        std::accumulate(served.begin(), served.end(), 0.0) / std::accumulate(whole.begin(), whole.end(), 0.0);
  }

  // The sets for held-out samples of every domain and fold, and for every left-out domain.
  void make_plans() {
    by_fold_.assign(kPlans.size(), std::vector<Weights>(domains() * folds()));
    by_domain_.assign(kPlans.size(), std::vector<Weights>(domains()));
    pool_.for_each(static_cast<int64_t>(folds() + domains()), [&](int64_t i, int) {
      const auto index = static_cast<size_t>(i);
      const bool of_fold = index < folds();
      const size_t left_out = of_fold ? index : index - folds();
      const auto train =
          of_fold ? shares(static_cast<int>(left_out), -1) : shares(-1, static_cast<int>(left_out));
      for (const PinPlan plan : kPlans) {
        if (plan == PinPlan::kPerDomain) continue;
        const Weights made = weights(train, plan);
        if (!of_fold) {
          by_domain_[index_of(plan)][left_out] = made;
          continue;
        }
        for (size_t d = 0; d < domains(); ++d) by_fold_[index_of(plan)][d * folds() + left_out] = made;
      }
    });
    make_domain_plans();
  }

  void make_domain_plans() {
    const size_t own = index_of(PinPlan::kPerDomain);
    std::vector<Weights> whole(domains());
    pool_.for_each(static_cast<int64_t>(domains()), [&](int64_t i, int) {
      const auto d = static_cast<size_t>(i);
      for (size_t f = 0; f < folds(); ++f)
        by_fold_[own][d * folds() + f] = own_weights(d, static_cast<int>(f));
      whole[d] = own_weights(d, -1);
    });
    for (size_t d = 0; d < domains(); ++d) {
      Weights mean(cells_);
      int others = 0;
      for (size_t o = 0; o < domains(); ++o) {
        if (o == d || whole[o].empty()) continue;
        ++others;
        for (size_t i = 0; i < cells_; ++i) mean[i] += whole[o][i];
      }
      for (auto& weight : mean) weight /= static_cast<float>(std::max(others, 1));
      if (others > 0) by_domain_[own][d] = std::move(mean);
    }
  }

  void serve() {
    make_plans();
    served_.slots.assign(static_cast<size_t>(reader_.size()), 0);
    served_.hits.assign(static_cast<size_t>(reader_.size()) * kPlans.size() * 2, kUndefined);
    std::vector<trace::Trace::Scratch> scratch(static_cast<size_t>(pool_.size()));
    std::vector<std::vector<double>> slots(scratch.size(), std::vector<double>(cells_));
    constexpr int64_t kGrain = 64;
    pool_.for_ranges(reader_.size(), kGrain, [&](int64_t begin, int64_t end, int worker) {
      const auto w = static_cast<size_t>(worker);
      for (int64_t s = begin; s < end; ++s) {
        reader_.read(s, {0, reader_.layers()}, {.slots = slots[w].data()}, scratch[w]);
        serve_sample(s, slots[w]);
      }
      reader_.drop(begin, end);
    });
  }

  void serve_sample(int64_t sample, const std::vector<double>& slots) {
    const auto s = static_cast<size_t>(sample);
    const size_t domain = domain_of(sample), fold = static_cast<size_t>(fold_of_[s]);
    served_.slots[s] = std::accumulate(slots.begin(), slots.end(), 0.0);
    for (size_t p = 0; p < kPlans.size(); ++p) {
      const Weights* both[] = {&by_fold_[p][domain * folds() + fold], &by_domain_[p][domain]};
      for (size_t way = 0; way < 2; ++way) {
        if (both[way]->empty()) continue;
        double hits = 0;
        for (size_t i = 0; i < cells_; ++i) hits += slots[i] * (*both[way])[i];
        served_.hits[(s * kPlans.size() + p) * 2 + way] = hits;
      }
    }
  }

  // Hit rate of a domain's samples, NaN where none has one; mean over domains, NaN where none has one.
  template <typename Samples>
  double domain_rate(const Samples& samples, size_t plan, size_t way) const {
    double hits = 0, slots = 0;
    for (const auto s : samples) {
      const double hit = served_.hits[(static_cast<size_t>(s) * kPlans.size() + plan) * 2 + way];
      if (std::isnan(hit)) continue;
      hits += hit;
      slots += served_.slots[static_cast<size_t>(s)];
    }
    return slots > 0 ? hits / slots : kUndefined;
  }

  double mean_rate(std::span<const int32_t> list, std::span<const int64_t> starts, size_t plan,
                   size_t way) const {
    double sum = 0;
    int count = 0;
    for (size_t d = 0; d + 1 < starts.size(); ++d) {
      const auto begin = static_cast<size_t>(starts[d]), end = static_cast<size_t>(starts[d + 1]);
      const double rate = domain_rate(list.subspan(begin, end - begin), plan, way);
      if (std::isnan(rate)) continue;
      sum += rate;
      ++count;
    }
    return count > 0 ? sum / count : kUndefined;
  }

  void rate(PinResult& result) const {
    std::vector<std::vector<int32_t>> members(domains());
    for (int64_t s = 0; s < reader_.size(); ++s) members[domain_of(s)].push_back(static_cast<int32_t>(s));
    std::vector<int32_t> list;
    std::vector<int64_t> starts = {0};
    for (const auto& of : members) {
      list.insert(list.end(), of.begin(), of.end());
      starts.push_back(std::ssize(list));
    }
    const auto defined = [](double x) { return std::isnan(x) ? std::nullopt : std::optional(x); };
    const size_t mine = index_of(options_.plan);
    for (size_t d = 0; d < domains(); ++d) {
      result.domains.push_back({grouping_.domains[d].name, defined(domain_rate(members[d], mine, 0)),
                                defined(domain_rate(members[d], mine, 1))});
    }
    std::array<std::array<double, 2>, kPlans.size()> observed{};
    for (size_t p = 0; p < kPlans.size(); ++p) {
      for (size_t way = 0; way < 2; ++way) observed[p][way] = mean_rate(list, starts, p, way);
    }
    const auto draws = bootstrap_rates();
    for (size_t i = 0; i < kPlans.size(); ++i) {
      const size_t p = (mine + i) % kPlans.size();
      PlanRates plan{name_of(kPlans[p]), {}, {}, {}, {}};
      for (size_t way = 0; way < 2; ++way) {
        auto [own, less] = std::pair<HitRate&, HitRate&>(way == 0 ? plan.samples : plan.domains,
                                                         way == 0 ? plan.less_samples : plan.less_domains);
        own = {defined(observed[p][way]), interval(draws, p, p, way)};
        if (p != mine)
          less = {defined(observed[mine][way] - observed[p][way]), interval(draws, mine, p, way)};
      }
      result.plans.push_back(std::move(plan));
    }
    result.plans.push_back(random_sets());
  }

  // [B, plans, 2]
  std::vector<double> bootstrap_rates() const {
    const ResamplePlan plan(grouping_, Scheme::kBootstrap, audit_.bootstrap, audit_.seed);
    std::vector<double> rates(static_cast<size_t>(audit_.bootstrap) * kPlans.size() * 2);
    std::vector<int32_t> list(static_cast<size_t>(reader_.size()));
    for (int b = 0; b < audit_.bootstrap; ++b) {
      plan.draw(b, 1, list, pool_);
      pool_.for_each(static_cast<int64_t>(kPlans.size() * 2), [&](int64_t i, int) {
        const auto at = static_cast<size_t>(i);
        rates[static_cast<size_t>(b) * kPlans.size() * 2 + at] =
            mean_rate(list, plan.starts(), at / 2, at % 2);
      });
    }
    return rates;
  }

  // Of plan `a`, or of `a` less `b`.
  std::optional<Interval> interval(const std::vector<double>& draws, size_t a, size_t b, size_t way) const {
    std::vector<float> values;
    for (size_t at = 0; at < draws.size(); at += kPlans.size() * 2) {
      const double rate = draws[at + a * 2 + way];
      values.push_back(static_cast<float>(a == b ? rate : rate - draws[at + b * 2 + way]));
    }
    return values.empty() ? std::nullopt : interval_of(values);
  }

  // Sets drawn from all cells: their rate is known, experts/(L·E); what the draws add is how far they
  // scatter.
  PlanRates random_sets() const {
    const SlotShares all = shares(-1, -1);
    std::vector<float> rates;
    std::vector<int32_t> cells(cells_);
    for (int r = 0; r < options_.random_sets; ++r) {
      Random random(audit_.seed, (uint64_t{1} << 32) + static_cast<uint64_t>(r));
      std::iota(cells.begin(), cells.end(), 0);
      random.shuffle(std::span(cells));
      double sum = 0;
      int count = 0;
      for (const auto& counts : all.domains) {
        double hits = 0;
        for (int64_t i = 0; i < options_.experts; ++i) {
          hits += counts[static_cast<size_t>(cells[static_cast<size_t>(i)])];
        }
        const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
        if (total == 0) continue;
        sum += hits / total;
        ++count;
      }
      rates.push_back(static_cast<float>(sum / std::max(count, 1)));
    }
    const HitRate rate{static_cast<double>(options_.experts) / static_cast<double>(cells_),
                       rates.empty() ? std::nullopt : interval_of(rates)};
    return {"random", rate, rate, {}, {}};
  }

  Rules rules_;
  const AuditOptions& audit_;
  const PinOptions& options_;
  mutable ThreadPool pool_;
  SampleReader reader_;
  Grouping grouping_;
  size_t cells_;
  std::vector<int> fold_of_;                 // [N]
  std::vector<std::vector<double>> counts_;  // [T, folds][cells]
  // [plans][T, folds] and [plans][T]
  std::vector<std::vector<Weights>> by_fold_, by_domain_;
  Served served_;
};

}  // namespace

const char* name_of(PinPlan plan) {
  switch (plan) {
    case PinPlan::kGlobal:
      return "global";
    case PinPlan::kEqualSplit:
      return "equal_split";
    case PinPlan::kFrequency:
      return "frequency";
    case PinPlan::kCommittee:
      return "committee";
    case PinPlan::kPerDomain:
      break;
  }
  return "per_domain";
}

PinResult pin_experts(const trace::Trace& trace, const AuditOptions& audit, const PinOptions& options) {
  return Pinner(trace, audit, options).run();
}

}  // namespace committee::audit
