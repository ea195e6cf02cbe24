#include "audit/resample.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "audit/annotate.h"
#include "audit/audit.h"
#include "audit/checks.h"
#include "audit/geometry.h"
#include "audit/make_trace.h"
#include "audit/percentile.h"
#include "audit/replicates.h"
#include "audit/silhouette_replicates.h"

namespace committee::audit {
namespace {

using testing::made_trace;
using testing::MadeRow;
using testing::MadeTrace;

// A trace with everything that replicates need of it.
struct Fixture {
  trace::Trace trace;
  SampleReader reader;
  SortedGrouping sorted;
  Grouping& grouping = sorted.grouping;
  ThreadPool pool{2};
  LayerVectors vectors;
  LayerPack pack;
  RowRange all{0, reader.size()};

  explicit Fixture(const MadeTrace& made, const std::string& name)
      : trace(made.write(name)),
        reader(trace, Positions::kRecorded, AuditOptions{}.memory),
        sorted(sort_samples(group_samples(reader, {}))),
        vectors(load_vectors(reader, {.routing = true, .executed = false, .slots = true}, {0, 2}, pool)),
        pack(reader, Eci::kRouting, sorted.order) {
    pack.load(vectors, 1, pool);
  }

  std::vector<double> unit(int64_t sample) const {
    const auto v = vectors.of(VectorKind::kRouting, 1, reader.size(), reader.experts())
                       .subspan(sorted.order[sample] * 8, 8);
    double norm = 0;
    for (float x : v) norm += static_cast<double>(x) * x;
    std::vector<double> u;
    for (float x : v) u.push_back(x / std::sqrt(norm));
    return u;
  }
  double value(int64_t sample, int expert) const {
    return vectors.of(VectorKind::kRouting, 1, reader.size(),
                      reader.experts())[sorted.order[sample] * 8 + expert];
  }
  // Lists of one replicate, a vector a segment.
  std::vector<std::vector<int32_t>> draw(const ResamplePlan& plan, int replicate) {
    std::vector<int32_t> rows(plan.samples());
    plan.draw(replicate, 1, rows, pool);
    std::vector<std::vector<int32_t>> segments;
    for (int s = 0; s < plan.segments(); ++s) {
      segments.emplace_back(rows.begin() + plan.starts()[s], rows.begin() + plan.starts()[s + 1]);
    }
    return segments;
  }
};

TEST(ResamplePlan, DrawsWhatTheSchemeSays) {
  Fixture s(made_trace({5, 7, 4}, 1, 1), "plan");
  ASSERT_EQ(s.grouping.groups.size(), 6u);
  const ResamplePlan bootstrap(s.grouping, Scheme::kBootstrap, 3, 9),
      permutation(s.grouping, Scheme::kPermutation, 3, 9), nested(s.grouping, Scheme::kNested, 3, 9);
  std::set<std::vector<std::vector<int32_t>>> seen;
  for (int r = 0; r < 3; ++r) {
    const auto drawn = s.draw(bootstrap, r);
    for (size_t t = 0; t < drawn.size(); ++t) {
      EXPECT_TRUE(std::is_sorted(drawn[t].begin(), drawn[t].end()));
      for (int32_t i : drawn[t]) EXPECT_EQ(s.grouping.domain_of[i], static_cast<int32_t>(t));
    }
    const auto dealt = s.draw(permutation, r);
    std::set<int32_t> all;
    for (const auto& segment : dealt) all.insert(segment.begin(), segment.end());
    EXPECT_EQ(all.size(), 16u);
    const auto groups = s.draw(nested, r);
    for (size_t g = 0; g < groups.size(); ++g) {
      EXPECT_EQ(static_cast<int64_t>(groups[g].size()), s.grouping.groups[g].samples);
      for (int32_t i : groups[g]) EXPECT_EQ(s.grouping.domain_of[i], s.grouping.groups[g].domain);
    }
    seen.insert(drawn);
    seen.insert(dealt);
  }
  EXPECT_EQ(seen.size(), 6u) << "replicates must differ";
}

TEST(Replicates, ContributionsAndVarianceEqualDirectSums) {
  Fixture s(made_trace({9, 7, 12}, 1, 2), "direct");
  for (const Scheme scheme : {Scheme::kBootstrap, Scheme::kPermutation}) {
    Draws draws(ResamplePlan(s.grouping, scheme, 70, 3), 0, 0, s.pool);
    const ReplicateTable table =
        replicate(s.pack, draws, s.grouping, {{8, 2, 0.8, Fallback::kNone}, {0, 1, 2}, {&s.all, 1}}, s.pool);
    for (const int r : {0, 1, 69}) {
      const auto segments = s.draw(draws.plan(), r);
      std::vector<double> sums(3 * 8);
      std::vector<int64_t> counts;
      for (size_t t = 0; t < 3; ++t) {
        counts.push_back(static_cast<int64_t>(segments[t].size()));
        for (int e = 0; e < 8; ++e) {
          double sum = 0;
          for (int32_t i : segments[t]) sum += s.value(i, e);
          EXPECT_NEAR(table.contributions[(t * 8 + e) * 70 + r], sum / static_cast<double>(counts[t]), 1e-7);
        }
        for (int32_t i : segments[t]) {
          for (int e = 0; e < 8; ++e) sums[t * 8 + e] += s.unit(i)[e];
        }
      }
      EXPECT_NEAR(table.scalars[r][kR2], variance_explained(sums, counts, 8), 1e-6);
    }
  }
}

TEST(Replicates, SilhouettesEqualDirectOnes) {
  Fixture s(made_trace({9, 7, 12}, 1, 4), "silhouettes");
  for (const Scheme scheme : {Scheme::kBootstrap, Scheme::kPermutation}) {
    Draws draws(ResamplePlan(s.grouping, scheme, 20, 5), 18, 1 << 20, s.pool);
    const ReplicateTable table =
        replicate(s.pack, draws, s.grouping, {{8, 2, 0.8, Fallback::kNone}, {0, 1, 2}, {&s.all, 1}}, s.pool);
    ASSERT_EQ(table.silhouettes, 18);
    for (const int r : {0, 17}) {
      const auto segments = s.draw(draws.plan(), r);
      auto distance = [&](int32_t i, int32_t j) {
        double cosine = 0;
        for (int e = 0; e < 8; ++e) cosine += s.unit(i)[e] * s.unit(j)[e];
        return 1 - cosine;
      };
      for (size_t t = 0; t < 3; ++t) {
        double total = 0;
        for (int32_t i : segments[t]) {
          double a = 0, b = 1e9;
          int others = 0;
          for (int32_t j : segments[t]) {
            if (j == i) continue;
            a += distance(i, j);
            ++others;
          }
          for (size_t u = 0; u < 3; ++u) {
            double mean = 0;
            for (int32_t j : segments[u]) mean += distance(i, j) / static_cast<double>(segments[u].size());
            if (u != t) b = std::min(b, mean);
          }
          a /= others;
          total += (b - a) / std::max(a, b);
        }
        EXPECT_NEAR(table.silhouette[t * 18 + r], total / static_cast<double>(segments[t].size()), 1e-5);
      }
    }
  }
}

TEST(Percentiles, QuantilesAndPValues) {
  std::vector<float> values = {5, 1, 4, 2, 3};
  EXPECT_DOUBLE_EQ(quantile(values, 0.5), 3);
  EXPECT_NEAR(quantile(values, 0.75), 4.5, 1e-6);
  EXPECT_NEAR(quantile(values, 0.9), 5, 1e-6);
  const auto upper = permuted_of(4.0, values, Tail::kUpper), lower = permuted_of(4.0, values, Tail::kLower),
             both = permuted_of(4.0, values, Tail::kBoth);
  EXPECT_DOUBLE_EQ(upper->p_value, 3.0 / 6);  // 4 and 5 are at least 4
  EXPECT_DOUBLE_EQ(lower->p_value, 5.0 / 6);
  EXPECT_DOUBLE_EQ(both->p_value, 1);
  EXPECT_DOUBLE_EQ(upper->mean, 3);
  EXPECT_DOUBLE_EQ(permuted_of(4.0001, values, Tail::kUpper)->p_value, 2.0 / 6);
  EXPECT_DOUBLE_EQ(permuted_of(4.0001, values, Tail::kUpper, 1e-3)->p_value, 3.0 / 6);
  EXPECT_FALSE(permuted_of(std::nullopt, values, Tail::kUpper));
  const std::vector<float> mostly_undefined = {NAN, NAN, 1};
  EXPECT_FALSE(interval_of(mostly_undefined));
}

TEST(Agreement, MeanJaccardOfPairs) {
  EXPECT_DOUBLE_EQ(mean_agreement(bootstrap_sets({{2, 1}, {1, 2}, {1}})), (1 + 0.5 + 0.5) / 3);
  EXPECT_DOUBLE_EQ(mean_agreement(bootstrap_sets({{}, {}})), 1);
}

std::string fingerprint(const AuditResult& result) {
  std::string text;
  auto add = [&](const Figure& f) {
    auto put = [&](double x) { text.append(reinterpret_cast<const char*>(&x), sizeof x); };
    if (f.value) put(*f.value);
    if (f.permuted) {
      for (double x : {f.permuted->mean, f.permuted->low, f.permuted->high, f.permuted->p_value}) put(x);
    }
    if (f.bootstrap) {
      put(f.bootstrap->low);
      put(f.bootstrap->high);
    }
  };
  for (const LayerResult& layer : result.layers) {
    for (const Figure* f : {&layer.size, &layer.coverage_topk, &layer.jaccard_mean, &layer.gini_full,
                            &layer.r2, &layer.r2_nested, &layer.routing_entropy, &layer.max_over_mean,
                            &layer.shuffle->size, &layer.shuffle->coverage_topk}) {
      add(*f);
    }
    for (const Figure& f : layer.contributions) add(f);
    for (const Figure& f : layer.silhouette) add(f);
    for (const DomainPair& pair : layer.pairs) add(pair.jaccard);
    for (const ExpertFigures& e : layer.experts) add(e.avg_rank);
  }
  add(result.jaccard.mean);
  return text;
}

TEST(Resampling, SameBytesWhateverThreadsAndMemory) {
  const auto trace = made_trace({20, 15, 25}, 0.5, 6, 3).write("threads");
  AuditOptions options{.bootstrap = 40, .permutations = 40, .expert_shuffles = 60, .seed = 5};
  const auto one = audit(trace, options);
  options.threads = 3;
  EXPECT_EQ(fingerprint(audit(trace, options)), fingerprint(one));
  options.memory = 1;  // a layer at a time, lists drawn again for each
  EXPECT_EQ(fingerprint(audit(trace, options)), fingerprint(one));
  options.seed = 6;
  EXPECT_NE(fingerprint(audit(trace, options)), fingerprint(one));
}

// Three blocks of sorted rows, which are complete when 3,000, 3,792 and all samples have been read.
MadeTrace trace_of_three_blocks() {
  MadeTrace made;
  Random random(11);
  for (int s = 0; s < 4000; ++s) {
    const bool second = s >= 1000 && s < 3000;
    MadeRow row;
    for (int i = 0; i < made.layers * made.experts; ++i)
      row.probs.push_back(static_cast<float>(random.uniform()) + (second && i == 3 ? 0.05F : 0.0F));
    made.samples.push_back({second ? "second" : "first", second ? "b" : "a", {row}});
  }
  return made;
}

TEST(Resampling, WorkAheadChangesNothing) {
  const auto trace = trace_of_three_blocks().write("ahead");
  AuditOptions none{.bootstrap = 0, .permutations = 0, .expert_shuffles = 0},
      options{.bootstrap = 20, .permutations = 20, .expert_shuffles = 20, .seed = 2};
  AuditResult ahead = audit(trace, none);
  const Rules rules = rules_for(trace, options);
  const SampleReader reader(trace, options.positions, options.memory);
  const Grouping grouping = group_samples(reader, options);
  ThreadPool pool(2);
  auto store = VectorStore::within(options.memory, reader, vectors_for_resampling(options, reader));
  observe(reader, grouping, options.eci, pool, &*store);
  Resampler resampler(reader, grouping, rules, options, &*store, pool);
  const auto worked = [&](int64_t read) {
    int blocks = 0;
    while (resampler.work_ahead(read)) ++blocks;
    return blocks;
  };
  EXPECT_EQ(worked(2999), 0);
  EXPECT_EQ(worked(3000), 2) << "the last block, of both layers";
  EXPECT_EQ(worked(3791), 0);
  EXPECT_EQ(worked(3792), 2);
  resampler.finish(ahead);
  EXPECT_EQ(worked(4000), 0);

  const auto all = audit(trace, options);
  EXPECT_EQ(fingerprint(ahead), fingerprint(all));
  options.memory = 1;
  EXPECT_EQ(fingerprint(audit(trace, options)), fingerprint(all)) << "without a store";
}

TEST(Resampling, TellsAnEffectFromNone) {
  const AuditOptions options{.bootstrap = 60, .permutations = 99, .expert_shuffles = 60, .seed = 1};
  const auto effect = audit(made_trace({30, 30, 30}, 1, 7).write("effect"), options);
  const auto none = audit(made_trace({30, 30, 30}, 0, 8).write("none"), options);
  for (const LayerResult& layer : effect.layers) {
    EXPECT_EQ(layer.r2.permuted->p_value, 0.01);
    EXPECT_LT(layer.r2.permuted->high, *layer.r2.value);
    EXPECT_GT(*layer.effect, 0.05);
    EXPECT_EQ(layer.committee, std::vector<int>{0}) << "expert 0 is first in all domains";
    EXPECT_EQ(layer.experts[0].inclusion, 1);
    EXPECT_EQ(*layer.stable, std::vector<int>{0});
    EXPECT_EQ(layer.agreement, 1);
    for (const Figure& s : layer.silhouette) EXPECT_EQ(s.permuted->p_value, 0.01);
    EXPECT_LE(layer.contributions[0].bootstrap->low, *layer.contributions[0].value);
    EXPECT_GE(layer.contributions[0].bootstrap->high, *layer.contributions[0].value);
    // Without a committee to find, the rule finds fewer and smaller shares.
    EXPECT_LT(*layer.shuffle->jaccard_mean.value, *layer.jaccard_mean.value + 0.4);
  }
  int rejected = 0;
  for (const LayerResult& layer : none.layers) rejected += layer.r2.permuted->p_value <= 0.05;
  EXPECT_LT(rejected, 2);
}

}  // namespace
}  // namespace committee::audit
