#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "audit/result.h"
#include "base/random.h"

// A made-up audit for tests of its views: plausible figures that fit together loosely, the same for the same
// shape.
namespace committee::report {

enum class SampleBaselines { kNone, kAll };

struct SampleShape {
  int layers = 4, experts = 16, k = 4, domains = 6;
  SampleBaselines baselines = SampleBaselines::kAll;
};

class SampleAudit {
 public:
  explicit SampleAudit(const SampleShape& shape) : shape_(shape), random_(7) {}

  // Layer ids from 1; the second layer has no candidates. Domain names hold what CSV and HTML must quote.
  audit::AuditResult make() {
    audit::AuditResult result;
    result.options.bootstrap = result.options.permutations = result.options.expert_shuffles = all() ? 200 : 0;
    result.options.domain_of = {{"high_school_physics", "Physics"}, {"virology", "Medicine"}};
    result.options.seed = ~uint64_t{0};
    result.k = shape_.k;
    result.positions = "last";
    result.vectors = "routing";
    describe_source(result);
    for (int d = 0; d < shape_.domains; ++d) {
      static const std::vector<std::string> kNames = {
          "Biz, \"Law\" & <Econ>", "CS-Eng", "Humanities", "Lang-Ling", "SocSci", "STEM-Math",
          "STEM-Physics"};
      const auto index = static_cast<size_t>(d);
      result.domains.push_back(
          {index < kNames.size() ? kNames[index] : "domain " + std::to_string(d), 24 + d, 24 + d});
      result.samples += 24 + d;
    }
    result.rows = result.samples;
    for (int l = 0; l < shape_.layers; ++l) {
      result.layers.push_back(layer(l));
      result.model.moe_layers.push_back(l + 1);
    }
    summarise(result);
    if (all()) result.layers_with_committee = figure(0.75, std::nullopt, audit::Tail::kUpper);
    result.warnings = {
        {"same-last-token",
         "All 159 prompts end in the same token (id 27, \":\"), so last-position routing is that "
         "token's own as much as the domains'.",
         Json{{"token", 27}, {"share", 1.0}, {"samples", 159}}},
        {"few-samples", "1 of 6 domains has fewer than 30 samples.",
         Json{{"domains", Json{{"CS-Eng", 25}}}, {"least", 30}}}};
    result.verdict = {audit::Verdict::kCommittee,
                      "In 3 of 4 layers the same experts serve every domain beyond what arithmetic gives."};
    return result;
  }

 private:
  bool all() const { return shape_.baselines == SampleBaselines::kAll; }

  void describe_source(audit::AuditResult& result) const {
    result.model.name = "tiny-olmoe";
    result.model.model_type = "olmoe";
    result.model.fingerprint = "0123456789abcdef";
    result.model.experts = shape_.experts;
    result.model.top_k = shape_.k;
    result.recording.dataset = "prompts.jsonl";
    result.recording.prompt_template = "mmlu";
    result.recording.options = {{"data", "prompts.jsonl"}, {"shots", "0"}};
    result.recording.group_columns = {"subject"};
  }

  audit::Figure figure(std::optional<double> value, std::optional<double> floor, audit::Tail tail) {
    audit::Figure figure{value, floor, std::nullopt, std::nullopt};
    if (!all() || !value) return figure;
    const double mean = *value * 0.96 + 0.004, half = 0.02 + 0.03 * random_.uniform();
    figure.permuted = {mean, mean - half, mean + half, (1.0 + static_cast<double>(random_.below(40))) / 201,
                       tail};
    figure.bootstrap = {*value - half, *value + half};
    return figure;
  }
  audit::Figure figure(std::optional<double> value, std::optional<double> floor = {}) {
    return figure(value, floor, audit::Tail::kUpper);
  }

  audit::LayerResult layer(int index) {
    audit::LayerResult layer;
    layer.layer = index + 1;
    contribute(layer, index);
    rank(layer, index);
    share(layer);
    concentrate(layer);
    for (int d = 0; d < shape_.domains; ++d)
      layer.silhouette.push_back(figure(0.3 * random_.uniform() - 0.08));
    layer.r2 = figure(0.05 + 0.2 * random_.uniform());
    layer.routing_entropy = figure(0.7 + 0.1 * random_.uniform());
    layer.load_entropy = figure(0.9);
    layer.effective_experts = figure(0.8 * shape_.experts);
    layer.max_over_mean = figure(2.5 + random_.uniform());
    layer.unused = figure(1.0);
    const int n = static_cast<int>(layer.committee.size());
    layer.verdict = n > 0
                        ? audit::VerdictText{audit::Verdict::kCommittee, "It is shared beyond chance."}
                        : audit::VerdictText{audit::Verdict::kNone, "No expert is in enough domains' top k."};
    if (all()) {
      layer.shuffle = audit::ShuffleBaseline{0.02, figure(0.03), figure(0.02), figure(0.01), figure(0.1)};
    }
    return layer;
  }

  // Shared experts, domain experts and noise; none shared in the second layer.
  void contribute(audit::LayerResult& layer, int index) {
    const int e = shape_.experts;
    for (int d = 0; d < shape_.domains; ++d) {
      std::vector<double> c(static_cast<size_t>(e));
      for (int i = 0; i < e; ++i) {
        double weight = 0.2 + random_.uniform();
        if (index != 1 && (i * 7 + index * 5) % e < 1 + shape_.k / 2) weight += 4 + 2 * random_.uniform();
        if (i % shape_.domains == d) weight += 3 * random_.uniform();
        c[static_cast<size_t>(i)] = weight;
      }
      const double sum = std::accumulate(c.begin(), c.end(), 0.0);
      for (const double weight : c) layer.contributions.push_back(figure(weight / sum));
    }
  }

  void rank(audit::LayerResult& layer, int index) {
    const auto e = static_cast<size_t>(shape_.experts), t = static_cast<size_t>(shape_.domains);
    layer.ranks.assign(t * e, shape_.k + 1);
    layer.experts.resize(e);
    std::vector<double> top(e), presence(e), mean(e);
    for (size_t d = 0; d < t; ++d) {
      std::vector<size_t> order(e);
      std::iota(order.begin(), order.end(), size_t{0});
      std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        return layer.contributions[d * e + a].value > layer.contributions[d * e + b].value;
      });
      for (size_t r = 0; r < static_cast<size_t>(shape_.k); ++r) {
        layer.ranks[d * e + order[r]] = static_cast<int>(r) + 1;
        presence[order[r]] += 1.0 / static_cast<double>(t);
        top[order[r]] += *layer.contributions[d * e + order[r]].value;
      }
    }
    double covered_full = 0, covered = 0;
    for (size_t i = 0; i < e; ++i) {
      auto& expert = layer.experts[i];
      double c = 0;
      for (size_t d = 0; d < t; ++d) {
        c += *layer.contributions[d * e + i].value / static_cast<double>(t);
        mean[i] += layer.ranks[d * e + i] / static_cast<double>(t);
      }
      expert.contribution = figure(c);
      expert.presence = figure(presence[i]);
      expert.avg_rank = figure(mean[i]);
      expert.rank_variance = figure(0.25 * mean[i]);
      expert.candidate = index != 1 && presence[i] >= 0.8;
      if (expert.candidate) layer.core.push_back(static_cast<int>(i));
      expert.in_committee = expert.candidate && layer.committee.size() < 2;
      if (expert.in_committee) {
        layer.committee.push_back(static_cast<int>(i));
        covered_full += c;
        covered += top[i];
      }
      if (all()) expert.inclusion = expert.in_committee ? 0.97 : expert.candidate ? 0.4 : 0.0;
      if (all()) expert.core_inclusion = expert.candidate ? 1.0 : 0.05;
    }
    if (all()) layer.stable = layer.committee;
    if (all()) {
      layer.agreement = 0.9;
      layer.bootstrap_committees = {{layer.committee, {}}, {0, 0, 1, 0}};
      layer.bootstrap_cores = {{layer.core}, {0, 0, 0, 0}};
    }
    for (size_t d = 0; d < t; ++d) layer.specific_domains.push_back(static_cast<int>(d));
    cover(layer, covered_full, covered / std::accumulate(top.begin(), top.end(), 0.0));
  }

  void cover(audit::LayerResult& layer, double full, double top) {
    const double n = static_cast<double>(layer.committee.size()), e = shape_.experts, k = shape_.k;
    layer.size = figure(n, 1.5);
    layer.core_size = figure(static_cast<double>(layer.core.size()));
    layer.coverage_full = figure(full, n / e);
    layer.coverage_topk = figure(top, n / k);
    if (all()) layer.excess_topk = figure(top - n / k);
    if (n == 0) return;
    layer.avg_rank = figure(1.6);
    layer.rank_variance = figure(0.4);
    layer.ratio_full = figure(full / n / ((1 - full) / (e - n)), 1.0);
    layer.ratio_topk =
        figure(top / n / ((1 - top) / (e - n)), n < k ? std::optional((e - n) / (k - n)) : std::nullopt);
  }

  void share(audit::LayerResult& layer) {
    const auto e = static_cast<size_t>(shape_.experts);
    double sum = 0, least = 1, most = 0;
    layer.chance = shape_.k / (2.0 * shape_.experts - shape_.k);
    for (int a = 0; a < shape_.domains; ++a) {
      for (int b = a + 1; b < shape_.domains; ++b) {
        double both = 0;
        for (size_t i = 0; i < e; ++i) {
          both += layer.ranks[static_cast<size_t>(a) * e + i] <= shape_.k &&
                  layer.ranks[static_cast<size_t>(b) * e + i] <= shape_.k;
        }
        const double jaccard = both / (2 * shape_.k - both);
        layer.pairs.push_back({a, b, figure(jaccard, layer.chance)});
        sum += jaccard;
        least = std::min(least, jaccard);
        most = std::max(most, jaccard);
      }
    }
    if (layer.pairs.empty()) return;
    layer.jaccard_mean =
        figure(sum / static_cast<double>(layer.pairs.size()), layer.chance, audit::Tail::kLower);
    layer.jaccard_min = figure(least);
    layer.jaccard_max = figure(most);
    if (layer.jaccard_mean.permuted)
      layer.effect = layer.jaccard_mean.permuted->mean - *layer.jaccard_mean.value;
  }

  void concentrate(audit::LayerResult& layer) {
    const auto e = static_cast<size_t>(shape_.experts);
    std::vector<double> c;
    double used = 0;
    for (size_t i = 0; i < e; ++i) {
      c.push_back(*layer.experts[i].contribution.value);
      used += *layer.experts[i].presence.value > 0;
    }
    std::sort(c.begin(), c.end());
    double area = 0;
    layer.lorenz.push_back(0);
    for (const double share : c) {
      area += layer.lorenz.back() + share / 2;
      layer.lorenz.push_back(layer.lorenz.back() + share);
    }
    layer.gini_full = figure(1 - 2 * area / static_cast<double>(e), 0.0);
    layer.gini_topk = figure(1 - used / shape_.experts + 0.05, 1 - used / shape_.experts);
    layer.used_experts = figure(used);
  }

  void summarise(audit::AuditResult& result) {
    const auto summary = [&](audit::Figure audit::LayerResult::*member) {
      double most = -1e300, least = 1e300, sum = 0, count = 0;
      for (const auto& layer : result.layers) {
        if (!(layer.*member).value) continue;
        most = std::max(most, *(layer.*member).value);
        least = std::min(least, *(layer.*member).value);
        sum += *(layer.*member).value;
        ++count;
      }
      return count == 0 ? audit::Summary{} : audit::Summary{figure(most), figure(least), figure(sum / count)};
    };
    result.size = summary(&audit::LayerResult::size);
    result.core_size = summary(&audit::LayerResult::core_size);
    result.avg_rank = summary(&audit::LayerResult::avg_rank);
    result.rank_variance = summary(&audit::LayerResult::rank_variance);
    result.coverage_full = summary(&audit::LayerResult::coverage_full);
    result.coverage_topk = summary(&audit::LayerResult::coverage_topk);
    result.excess_topk = summary(&audit::LayerResult::excess_topk);
    result.ratio_full = summary(&audit::LayerResult::ratio_full);
    result.ratio_topk = summary(&audit::LayerResult::ratio_topk);
    result.jaccard = summary(&audit::LayerResult::jaccard_mean);
    result.jaccard_min = summary(&audit::LayerResult::jaccard_min);
    result.jaccard_max = summary(&audit::LayerResult::jaccard_max);
    result.gini_full = summary(&audit::LayerResult::gini_full);
    result.gini_topk = summary(&audit::LayerResult::gini_topk);
    result.used_experts = summary(&audit::LayerResult::used_experts);
    result.routing_entropy = summary(&audit::LayerResult::routing_entropy);
    result.load_entropy = summary(&audit::LayerResult::load_entropy);
    result.effective_experts = summary(&audit::LayerResult::effective_experts);
    result.max_over_mean = summary(&audit::LayerResult::max_over_mean);
    result.unused = summary(&audit::LayerResult::unused);
    result.r2 = summary(&audit::LayerResult::r2);
    result.r2_nested = summary(&audit::LayerResult::r2_nested);
  }

  SampleShape shape_;
  Random random_;
};

inline audit::AuditResult sample_audit(const SampleShape& shape = {}) { return SampleAudit(shape).make(); }

}  // namespace committee::report
