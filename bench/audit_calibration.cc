// bench_audit_calibration [SETS]: are the audit's probabilities what they say?
//
// Null study: SETS (default 500) data sets without a domain effect, 6 domains of 100 samples, 1 layer, 16
// experts, k 4, 199 permutations, 400 bootstraps: p-values against the uniform (Kolmogorov-Smirnov), how
// often the 95% intervals hold the truth, how often the committee rule and the verdict find a committee where
// none can be (all experts alike). Power study: 200 data sets with a planted committee of 2 and a planted
// specialist a domain, 20 to 160 samples a domain.
#include <cstdio>
#include <cstdlib>

#include "audit/audit.h"
#include "audit_trace.h"

using namespace committee;

namespace {

constexpr int kPermutations = 199;
const bench::Shape kShape{.samples = 600, .layers = 1, .experts = 16, .top_k = 4, .domains = 6};

audit::AuditResult run(const bench::Shape& shape, uint64_t seed, const bench::Logits& logits) {
  const auto trace = bench::write_trace(std::filesystem::temp_directory_path() / "bench_audit_calibration",
                                        shape, seed, logits);
  return audit::audit(
      trace, {.bootstrap = 400, .permutations = kPermutations, .expert_shuffles = 100, .seed = seed});
}

// Kolmogorov-Smirnov p-value against the uniform; p-values of a permutation test are multiples of 1/(R+1), so
// each is spread over its step at random.
double uniformity(std::vector<double> p, uint64_t seed) {
  Random random(seed);
  for (double& x : p) x -= random.uniform() / (kPermutations + 1);
  std::sort(p.begin(), p.end());
  const auto n = static_cast<double>(p.size());
  double distance = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const auto at = static_cast<double>(i);
    distance = std::max({distance, (at + 1) / n - p[i], p[i] - at / n});
  }
  const double lambda = (std::sqrt(n) + 0.12 + 0.11 / std::sqrt(n)) * distance;
  double sum = 0;
  for (int j = 1; j <= 100; ++j) sum += (j % 2 == 1 ? 2 : -2) * std::exp(-2.0 * j * j * lambda * lambda);
  return std::clamp(sum, 0.0, 1.0);
}

struct Coverage {
  int64_t held = 0, asked = 0;
  void add(const audit::Figure& figure, double truth) {
    if (!figure.bootstrap) return;
    held += figure.bootstrap->low <= truth && truth <= figure.bootstrap->high;
    ++asked;
  }
  double share() const {
    return static_cast<double>(held) / static_cast<double>(std::max<int64_t>(1, asked));
  }
};

// Experts of fixed unequal popularity, the same for every domain: a committee may exist, a domain effect does
// not.
void no_effect(int, Random& random, std::vector<double>& logits) {
  for (size_t e = 0; e < logits.size(); ++e)
    logits[e] = 0.15 * static_cast<double>(e) + bench::normal(random);
}
void all_alike(int, Random& random, std::vector<double>& logits) {
  for (double& z : logits) z = bench::normal(random);
}

void null_study(int sets) {
  bench::Shape large = kShape;
  large.samples = 60000;
  const audit::AuditResult truth_run =
      audit::audit(bench::write_trace(std::filesystem::temp_directory_path() / "bench_audit_truth", large,
                                      12345, no_effect),
                   {.bootstrap = 0, .permutations = 0, .expert_shuffles = 0});
  const auto& truth = truth_run.layers[0];
  std::vector<double> r2, silhouette;
  Coverage contributions, gini, entropy;
  int found = 0, verdicts = 0;
  double shuffle_rate = 0;
  for (int i = 0; i < sets; ++i) {
    const audit::AuditResult result = run(kShape, 1000 + static_cast<uint64_t>(i), no_effect);
    const auto& layer = result.layers[0];
    r2.push_back(layer.r2.permuted->p_value);
    silhouette.push_back(layer.silhouette[0].permuted->p_value);
    for (size_t e = 0; e < layer.experts.size(); ++e) {
      double mean = 0;  // the truth is the same in every domain
      for (size_t t = 0; t < 6; ++t) mean += *truth.contributions[t * 16 + e].value / 6;
      for (size_t t = 0; t < 6; ++t) contributions.add(layer.contributions[t * 16 + e], mean);
    }
    gini.add(layer.gini_full, *truth.gini_full.value);
    entropy.add(layer.routing_entropy, *truth.routing_entropy.value);
    const audit::AuditResult alike = run(kShape, 900000 + static_cast<uint64_t>(i), all_alike);
    found += !alike.layers[0].committee.empty();
    verdicts += alike.layers[0].verdict.verdict == audit::Verdict::kCommittee;
    shuffle_rate += alike.layers[0].shuffle->committee_rate / sets;
  }
  std::printf("null, %d sets: KS p of p-values: R2 %.3f, silhouette %.3f\n", sets, uniformity(r2, 1),
              uniformity(silhouette, 2));
  std::printf(
      "95%% intervals hold the truth: contributions %.1f%%, gini_full %.1f%%, routing_entropy %.1f%%\n",
      100 * contributions.share(), 100 * gini.share(), 100 * entropy.share());
  std::printf(
      "experts all alike: the rule finds a committee in %.1f%% of the sets (expert shuffle says %.1f%%), the "
      "verdict is committee in %.1f%%\n",
      100.0 * found / sets, 100 * shuffle_rate, 100.0 * verdicts / sets);
}

void power_study(int sets) {
  for (const int64_t per_domain : {20, 40, 80, 160}) {
    bench::Shape shape = kShape;
    shape.samples = per_domain * shape.domains;
    int exact = 0, stable = 0, verdict = 0, effect = 0, specialists = 0;
    for (int i = 0; i < sets; ++i) {
      const audit::AuditResult result = run(shape, 5000 + static_cast<uint64_t>(i),
                                            [](int domain, Random& random, std::vector<double>& logits) {
                                              for (double& z : logits) z = bench::normal(random);
                                              logits[2] += 1.2;
                                              logits[7] += 1.2;
                                              logits[8 + domain] += 0.8;
                                            });
      const auto& layer = result.layers[0];
      exact += layer.core == std::vector<int>{2, 7};
      stable += layer.experts[2].core_inclusion >= 0.95 && layer.experts[7].core_inclusion >= 0.95;
      verdict += layer.verdict.verdict == audit::Verdict::kCommittee;
      effect += layer.r2.permuted->p_value <= 0.05;
      for (size_t t = 0; t < 6; ++t) {
        const audit::Figure& cell = layer.contributions[t * 16 + 8 + t];
        specialists += cell.permuted->p_value <= 0.05 && *cell.value > cell.permuted->mean;
      }
    }
    std::printf(
        "planted, %3lld samples a domain: core exact %.0f%%, both in the stable core %.0f%%, verdict "
        "committee %.0f%%, R2 "
        "p<=0.05 %.0f%%, specialists %.0f%%\n",
        static_cast<long long>(per_domain), 100.0 * exact / sets, 100.0 * stable / sets,
        100.0 * verdict / sets, 100.0 * effect / sets, 100.0 * specialists / (6 * sets));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int sets = argc > 1 ? std::atoi(argv[1]) : 500;
  null_study(sets);
  power_study(std::max(1, sets * 2 / 5));
  return 0;
}
