#include "audit/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "audit/committee.h"
#include "audit/concentration.h"
#include "audit/floors.h"
#include "audit/make_trace.h"
#include "audit/sweep.h"
#include "audit/verdict.h"
#include "audit/warnings.h"
#include "base/error.h"

namespace committee::audit {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::made_trace;
using testing::MadeSample;
using testing::MadeTrace;

AuditOptions quick() { return {.bootstrap = 0, .permutations = 0, .expert_shuffles = 0}; }

template <typename Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::vector<std::string> codes(const AuditResult& result) {
  std::vector<std::string> codes;
  for (const Warning& warning : result.warnings) codes.push_back(warning.code);
  return codes;
}

// The mean over some rows of every sample of a domain, straight from the made trace.
double direct(const MadeTrace& made, const std::string& domain, int layer, int expert, const std::string& eci,
              const std::function<bool(size_t row, size_t rows, bool content)>& audited) {
  double sum = 0;
  int samples = 0;
  for (const MadeSample& sample : made.samples) {
    if (sample.domain != domain) continue;
    double mean = 0;
    int rows = 0;
    for (size_t r = 0; r < sample.rows.size(); ++r) {
      if (!audited(r, sample.rows.size(), sample.rows[r].content)) continue;
      const float* probs = &sample.rows[r].probs[layer * made.experts];
      const auto best = made.best(probs);
      const bool in = std::find(best.begin(), best.end(), expert) != best.end();
      double total = 0;
      for (auto id : best) total += probs[id];
      mean += eci == "routing" ? probs[expert] : !in ? 0 : eci == "executed" ? probs[expert] / total : 1;
      ++rows;
    }
    sum += mean / rows;
    ++samples;
  }
  return sum / samples;
}

TEST(Audit, EveryPositionAndKindEqualsDirectMeans) {
  MadeTrace made = made_trace({5, 4, 6}, 0.5, 11, 5);
  made.positions = "all";
  const auto trace = made.write("positions");
  const std::pair<Positions, std::function<bool(size_t, size_t, bool)>> positions[] = {
      {Positions::kRecorded, [](size_t, size_t, bool) { return true; }},
      {Positions::kAll, [](size_t, size_t, bool) { return true; }},
      {Positions::kLast, [](size_t r, size_t n, bool) { return r + 1 == n; }},
      {Positions::kContent, [](size_t, size_t, bool content) { return content; }}};
  for (const auto& [which, audited] : positions) {
    for (const Eci eci : {Eci::kRouting, Eci::kExecuted, Eci::kFrequency}) {
      AuditOptions options = quick();
      options.positions = which;
      options.eci = eci;
      const AuditResult result = audit(trace, options);
      for (int t = 0; t < 3; ++t) {
        for (int e = 0; e < made.experts; ++e) {
          EXPECT_NEAR(*result.layers[1].contributions[t * made.experts + e].value,
                      direct(made, result.domains[t].name, 1, e, name_of(eci), audited), 1e-12)
              << name_of(which) << " " << name_of(eci);
        }
      }
    }
  }
}

TEST(Audit, TracesOfIdsAloneUseFrequencyVectors) {
  MadeTrace made = made_trace({6, 6}, 0.5, 12);
  AuditOptions options = quick();
  options.eci = Eci::kFrequency;
  const AuditResult full = audit(made.write("full"), options);
  made.record = trace::Record::kTopK;
  const auto trace = made.write("topk");
  const AuditResult ids = audit(trace, options);
  EXPECT_EQ(ids.vectors, "frequency");
  EXPECT_EQ(full.vectors, "routing");
  for (size_t i = 0; i < ids.layers[0].contributions.size(); ++i) {
    EXPECT_EQ(ids.layers[0].contributions[i].value, full.layers[0].contributions[i].value);
  }
  EXPECT_TRUE(ids.layers[0].silhouette[0].value);
  EXPECT_FALSE(ids.layers[0].routing_entropy.value);
  options.bootstrap = options.permutations = 5;
  const AuditResult resampled = audit(trace, options);
  EXPECT_TRUE(resampled.layers[0].max_over_mean.bootstrap);
  EXPECT_TRUE(resampled.layers[0].r2.permuted);
}

TEST(Audit, RefusesWhatTheTraceLacks) {
  const auto last = made_trace({3, 3}, 1, 13).write("last");
  AuditOptions options = quick();
  options.positions = Positions::kContent;
  EXPECT_THAT(error_of([&] { audit(last, options); }), HasSubstr("--positions content"));
  options = quick();
  options.k = 9;
  EXPECT_THAT(error_of([&] { audit(last, options); }), HasSubstr("--k 9 is outside 1..8"));
  options = quick();
  options.gamma = 1.5;
  EXPECT_THAT(error_of([&] { audit(last, options); }), HasSubstr("--gamma 1.5"));
  options = quick();
  options.group_by = "nothing";
  EXPECT_THAT(error_of([&] { audit(last, options); }), HasSubstr("no column \"nothing\""));
  options = quick();
  options.domain_of = {{"subject 0", "x"}};
  EXPECT_THAT(error_of([&] { audit(last, options); }), HasSubstr("which the domain map does not name"));

  MadeTrace topk = made_trace({3, 3}, 1, 13);
  topk.record = trace::Record::kTopK;
  const auto ids = topk.write("kinds");
  if (ids.manifest().recording.allowed_eci !=
      std::vector<std::string>{"routing", "executed", "frequency", "reference"}) {
    EXPECT_THAT(error_of([&] { audit(ids, quick()); }), HasSubstr("--eci routing"));
  }

  MadeTrace all = made_trace({3, 3}, 1, 14, 1);  // row 0 is the template's own
  all.positions = "all";
  options = quick();
  options.positions = Positions::kContent;
  EXPECT_THAT(error_of([&] { audit(all.write("no_content"), options); }), HasSubstr("has no"));
}

TEST(Audit, GroupsByColumnAndMap) {
  const auto trace = made_trace({6, 6}, 1, 15).write("groups");
  AuditOptions options = quick();
  options.group_by = "part";
  EXPECT_EQ(audit(trace, options).domains.size(), 3u);
  options = quick();
  for (int s = 0; s < 4; ++s) options.domain_of["subject " + std::to_string(s)] = s < 3 ? "most" : "few";
  const AuditResult result = audit(trace, options);
  ASSERT_EQ(result.domains.size(), 2u);
  EXPECT_EQ(result.domains[0].name, "few");
  EXPECT_EQ(result.domains[1].samples, 9);
  EXPECT_EQ(result.nested.size(), 4u);
  EXPECT_TRUE(result.layers[0].r2_nested.value);
}

TEST(Audit, SingleDomainLeavesSharingUndefined) {
  AuditOptions options = quick();
  options.bootstrap = options.permutations = 10;
  const AuditResult result = audit(made_trace({8}, 1, 16).write("single"), options);
  const LayerResult& layer = result.layers[0];
  EXPECT_FALSE(layer.jaccard_mean.value);
  EXPECT_FALSE(layer.silhouette[0].value);
  EXPECT_FALSE(layer.r2.value);
  EXPECT_FALSE(layer.chance);
  EXPECT_TRUE(layer.coverage_topk.value);
  EXPECT_EQ(layer.verdict.verdict, Verdict::kUndecided);
}

TEST(Audit, SpecificityDropsDomains) {
  AuditOptions options = quick();
  options.min_specificity = 2;  // no silhouette is that large
  const AuditResult none = audit(made_trace({8, 8}, 1, 17).write("specificity"), options);
  EXPECT_TRUE(none.layers[0].specific_domains.empty());
  EXPECT_TRUE(none.layers[0].committee.empty());
  EXPECT_FALSE(none.layers[0].experts[0].avg_rank.value);
  options.min_specificity = -2;
  EXPECT_THAT(audit(made_trace({8, 8}, 1, 17).write("specificity"), options).layers[0].specific_domains,
              ElementsAre(0, 1));
}

TEST(Warnings, NameWhatMakesACommittee) {
  MadeTrace made = made_trace({40, 40, 4}, 0.5, 18);
  EXPECT_THAT(codes(audit(made.write("plain"), quick())), ElementsAre("few-samples"));
  for (MadeSample& sample : made.samples) sample.rows.back().token = 2;
  const AuditResult ends = audit(made.write("ends"), quick());
  EXPECT_THAT(codes(ends), ElementsAre("same-last-token", "few-samples"));
  EXPECT_EQ(ends.warnings[0].evidence["token"], 2);
  EXPECT_EQ(ends.warnings[0].evidence["share"], 1.0);

  AuditOptions options = quick();
  options.k = 4;
  EXPECT_THAT(codes(audit(made_trace({60, 30, 30}, 0.5, 19).write("k"), options)), ElementsAre("large-k"));
  EXPECT_THAT(codes(audit(made_trace({90, 30, 30}, 0.5, 20).write("most"), quick())),
              ElementsAre("dominant-domain"));
}

TEST(Warnings, SeeDegenerateCaptures) {
  MadeTrace made = made_trace({40, 40}, 0.5, 21);
  for (MadeSample& sample : made.samples) {
    auto& probs = sample.rows[0].probs;
    std::copy_n(probs.begin(), 8, probs.begin() + 8);
  }
  EXPECT_THAT(codes(audit(made.write("identical"), quick())), ElementsAre("identical-layers"));

  made = made_trace({40, 40}, 0.5, 22);
  for (MadeSample& sample : made.samples) {
    for (float& p : sample.rows[0].probs) p *= 0.5F;
  }
  EXPECT_THAT(codes(audit(made.write("half"), quick())), ElementsAre("rows-not-one"));

  for (MadeSample& sample : made.samples) {  // softmax of probabilities
    for (int l = 0; l < 2; ++l) {
      float total = 0;
      for (int e = 0; e < 8; ++e)
        total += sample.rows[0].probs[l * 8 + e] = std::exp(2 * sample.rows[0].probs[l * 8 + e]);
      for (int e = 0; e < 8; ++e) sample.rows[0].probs[l * 8 + e] /= total;
    }
  }
  EXPECT_THAT(codes(audit(made.write("twice"), quick())), ElementsAre("softmax-twice"));

  made = made_trace({40, 40}, 0.5, 23);
  for (MadeSample& sample : made.samples) {  // experts 0 and 1 always
    for (int l = 0; l < 2; ++l) {
      for (int e = 0; e < 8; ++e) sample.rows[0].probs[l * 8 + e] = e < 2 ? 0.485F : 0.005F;
    }
  }
  EXPECT_THAT(codes(audit(made.write("constant"), quick())), ElementsAre("constant-set", "identical-layers"));

  for (MadeSample& sample : made.samples) {
    for (int l = 0; l < 2; ++l) {
      for (int e = 0; e < 8; ++e) sample.rows[0].probs[l * 8 + e] = e == l ? 0.93F : 0.01F;
    }
  }
  EXPECT_THAT(codes(audit(made.write("one"), quick())), ElementsAre("same-last-routing", "constant-set"));
}

TEST(Warnings, SeeSharedPrefixes) {
  MadeTrace made = made_trace({40, 40}, 0.5, 24, 6);
  made.positions = "all";
  EXPECT_THAT(codes(audit(made.write("no_prefix"), quick())), ElementsAre());
  for (MadeSample& sample : made.samples) {
    for (int r = 0; r < 4; ++r) sample.rows[r].token = 100 + r;
  }
  const AuditResult result = audit(made.write("prefix"), quick());
  ASSERT_THAT(codes(result), ElementsAre("shared-prefix"));
  EXPECT_GE(result.warnings[0].evidence["groups"][0]["prefix_tokens"].get<int>(), 4);
  EXPECT_GT(result.warnings[0].evidence["share"].get<double>(), 0.6);

  // A prefix of each subject's own, as few-shot examples are, in domains of two subjects.
  for (size_t s = 0; s < made.samples.size(); ++s) {
    for (int r = 0; r < 4; ++r) {
      made.samples[s].rows[r].token = 100 + static_cast<int>(s % 2) * 10 + r;
      made.samples[s].rows[r].content = false;
    }
  }
  const auto subjects = made.write("subjects");
  const AuditResult nested = audit(subjects, quick());
  ASSERT_THAT(codes(nested), ElementsAre("shared-prefix"));
  EXPECT_EQ(nested.warnings[0].evidence["level"], "group");
  AuditOptions content = quick();
  content.positions = Positions::kContent;
  EXPECT_THAT(codes(audit(subjects, content)), ElementsAre());
}

TEST(Warnings, SeePrefixesOfSubjectsWithOneSampleEach) {
  // Few-shot prompts of as many subjects as samples: nothing can be compared, but most tokens are the
  // template's.
  MadeTrace made = made_trace({3, 3}, 0.5, 31, 6);
  made.positions = "all";
  for (size_t s = 0; s < made.samples.size(); ++s) {
    made.samples[s].subject = "subject " + std::to_string(s);
    for (int r = 0; r < 4; ++r) made.samples[s].rows[r].content = false;
  }
  const AuditResult shots = audit(made.write("one_each"), quick());
  ASSERT_THAT(codes(shots), ElementsAre("shared-prefix", "few-samples"));
  EXPECT_EQ(shots.warnings[0].evidence["level"], "subject");
  EXPECT_EQ(shots.warnings[0].evidence["groups"].size(), 6u);
  for (MadeSample& sample : made.samples) sample.rows[2].content = sample.rows[1].content = true;
  EXPECT_THAT(codes(audit(made.write("one_each"), quick())), ElementsAre("few-samples"));
}

TEST(Warnings, SeeCopiesWhereTokensAreNotKnown) {
  MadeTrace made = made_trace({40, 40}, 0.5, 32);
  made.positions = "sample";
  EXPECT_THAT(codes(audit(made.write("means"), quick())), ElementsAre());
  for (MadeSample& sample : made.samples) {
    sample.rows = made.samples[sample.domain == made.samples[0].domain ? 0 : 79].rows;
  }
  const AuditResult copies = audit(made.write("copies"), quick());
  ASSERT_THAT(codes(copies), ::testing::Contains("shared-prefix"));
  EXPECT_GT(copies.warnings[0].evidence["variance_explained"].get<double>(), 0.9);
}

TEST(Warnings, SeeEvenCountsAndSamplesLeftOut) {
  MadeTrace made = made_trace({40, 40}, 0, 28);
  for (size_t s = 0; s < made.samples.size(); ++s) {  // pairs of experts take turns
    for (int l = 0; l < 2; ++l) {
      for (int e = 0; e < 8; ++e) {
        const bool turn = e / 2 == static_cast<int>(s + static_cast<size_t>(l)) % 4;
        made.samples[s].rows[0].probs[l * 8 + e] = turn ? (e % 2 ? 0.3F : 0.4F) : 0.05F;
      }
    }
  }
  const AuditResult even = audit(made.write("even"), quick());
  ASSERT_THAT(codes(even), ::testing::Contains("equal-counts"));
  EXPECT_EQ(even.verdict.verdict, Verdict::kUndecided);

  MadeTrace some = made_trace({40, 40}, 0.5, 29, 2);
  some.positions = "all";
  some.samples[3].rows[1].content = false;
  AuditOptions options = quick();
  options.positions = Positions::kContent;
  const AuditResult left = audit(some.write("left_out"), options);
  ASSERT_THAT(codes(left), ElementsAre("unaudited-samples"));
  EXPECT_EQ(left.warnings[0].evidence["audited"], 79);
}

TEST(Floors, AreWhatRandomSetsGive) {
  // Simulated: the candidates and ranks of random k-sets in 5 domains.
  const Rules rules{.experts = 9, .k = 3, .gamma = 0.6};
  Random random(30);
  double candidates = 0, mean = 0, variance = 0;
  constexpr int kTimes = 20000;
  for (int i = 0; i < kTimes; ++i) {
    std::vector<int> top, ids(9);
    std::iota(ids.begin(), ids.end(), 0);
    for (int t = 0; t < 5; ++t) {
      random.shuffle(std::span(ids));
      top.insert(top.end(), ids.begin(), ids.begin() + 3);
    }
    const auto tallies = tally_ranks(top, 9, 3);
    candidates += static_cast<double>(find_committee(tallies, 5, 0.6, Fallback::kNone).core.size()) / kTimes;
    mean += tallies[4].mean(5) / kTimes;
    variance += tallies[4].variance(5) / kTimes;
  }
  EXPECT_NEAR(9 * chance_of_candidate(rules, 5), candidates, 0.03);
  EXPECT_NEAR(chance_rank(rules).mean, mean, 0.01);
  EXPECT_NEAR(chance_rank(rules).variance * 4 / 5, variance, 0.02);
  EXPECT_EQ(chance_of_candidate({.experts = 4, .k = 4, .gamma = 1}, 3), 1);
}

TEST(Floors, OfVarianceAreThePermutedMeans) {
  AuditOptions options = quick();
  options.permutations = 500;
  const AuditResult result = audit(made_trace({20, 30, 24}, 0.3, 31).write("variance_floor"), options);
  for (const LayerResult& layer : result.layers) {
    EXPECT_NEAR(*layer.r2.floor, layer.r2.permuted->mean, 0.002);
    EXPECT_DOUBLE_EQ(*layer.r2.floor, 2.0 / 73);
    EXPECT_NEAR(*layer.r2_nested.floor, layer.r2_nested.permuted->mean, 0.002);
  }
}

TEST(Nested, AnyColumnInsideDomains) {
  const auto trace = made_trace({12, 12}, 1, 32).write("nested");
  AuditOptions options = quick();
  options.nested = "part";
  options.nested_asked = true;
  options.bootstrap = options.permutations = 20;
  const AuditResult result = audit(trace, options);
  EXPECT_EQ(result.nested.size(), 6u);  // three parts in each domain
  EXPECT_TRUE(result.layers[0].r2_nested.bootstrap);
  EXPECT_TRUE(result.layers[0].r2_nested.permuted);
  options.nested = "nothing";
  EXPECT_THAT(error_of([&] { audit(trace, options); }), HasSubstr("no column \"nothing\""));
  options.nested = "domain";
  EXPECT_THAT(error_of([&] { audit(trace, options); }), HasSubstr("--nested domain: 2 groups in 2 domains"));
  options.nested = "";
  EXPECT_FALSE(audit(trace, options).layers[0].r2_nested.value);
}

TEST(Verdict, CommitteeArithmeticAndUndecided) {
  AuditOptions options = quick();
  options.bootstrap = 100;
  const AuditResult planted = audit(made_trace({60, 60, 60, 60}, 0.3, 25).write("planted"), options);
  EXPECT_EQ(planted.layers[0].verdict.verdict, Verdict::kCommittee) << planted.layers[0].verdict.reason;
  EXPECT_EQ(planted.verdict.verdict, Verdict::kCommittee) << planted.verdict.reason;
  EXPECT_TRUE(stability_of(planted).enough);
  EXPECT_THROW(stability_of(audit(made_trace({5, 5}, 1, 25).write("no_bootstrap"), quick())), Error);

  MadeTrace ends = made_trace({60, 60, 60, 60}, 0.3, 25);
  for (MadeSample& sample : ends.samples) sample.rows.back().token = 2;
  const AuditResult made = audit(ends.write("made"), options);
  EXPECT_EQ(made.layers[0].verdict.verdict, Verdict::kCommittee);
  EXPECT_EQ(made.verdict.verdict, Verdict::kUndecided) << made.verdict.reason;
  EXPECT_THAT(made.verdict.reason, HasSubstr("token 2"));

  // Only domains of their own: nobody is shared.
  MadeTrace apart = made_trace({60, 60, 60}, 3, 26);
  for (MadeSample& sample : apart.samples) {
    for (int l = 0; l < 2; ++l) sample.rows[0].probs[l * 8] = 0;
  }
  const AuditResult none = audit(apart.write("apart"), options);
  EXPECT_EQ(none.layers[0].verdict.verdict, Verdict::kNone) << none.layers[0].verdict.reason;
}

TEST(Sweep, ReranksAndRetains) {
  const auto trace = made_trace({30, 30, 30}, 0.6, 27).write("sweep");
  AuditOptions options = quick();
  options.bootstrap = options.permutations = 40;
  const SweepResult result = sweep(trace, options, {1, 2, 4});
  EXPECT_EQ(result.reference_k, 2);
  ASSERT_EQ(result.budgets.size(), 3u);
  for (const SweepBudget& budget : result.budgets) {
    AuditOptions at = quick();
    at.k = budget.k;
    const AuditResult direct = audit(trace, at);
    double retained = 0;
    for (size_t l = 0; l < 2; ++l) {
      EXPECT_EQ(budget.layers[l].committee, direct.layers[l].committee);
      EXPECT_EQ(budget.layers[l].coverage_topk.value, direct.layers[l].coverage_topk.value);
      EXPECT_EQ(*budget.layers[l].retention.floor,
                static_cast<double>(budget.layers[l].committee.size()) / 8);
      retained += *budget.layers[l].retention.value / 2;
    }
    EXPECT_DOUBLE_EQ(*budget.retention.value, retained);
    EXPECT_TRUE(budget.retention.bootstrap);
    EXPECT_TRUE(budget.retention.permuted);
    EXPECT_TRUE(budget.layers[0].size.permuted);
    EXPECT_EQ(*budget.layers[0].size.floor,
              expected_front(static_cast<int64_t>(direct.layers[0].core.size())));
  }
  EXPECT_EQ(result.budgets[1].retention.value, 1);
  EXPECT_THROW(sweep(trace, options, {9}), Error);
}

TEST(Sweep, RerunsAreSetAgainstTheReference) {
  const auto trace = made_trace({30, 30, 30}, 0.6, 27).write("sweep_own");
  const auto same = made_trace({30, 30, 30}, 0.6, 27).write("sweep_same");
  auto three = made_trace({30, 30, 30}, 0.6, 99);  // other routing, three experts executed
  three.top_k = 3;
  const auto other = three.write("sweep_other");
  AuditOptions options = quick();
  options.bootstrap = options.permutations = 30;
  const SweepResult result = sweep(trace, options, {2, 3}, {{2, &trace}, {3, &same}, {3, &other}});
  ASSERT_EQ(result.budgets.size(), 5u);
  EXPECT_EQ(result.budgets[1].mode, SweepMode::kRerank);
  EXPECT_EQ(result.budgets[2].mode, SweepMode::kRerun);
  EXPECT_EQ(result.budgets[2].retention.value, 1);
  // A rerun that routes alike is the re-ranking, replicate by replicate.
  for (size_t l = 0; l < 2; ++l) {
    const SweepLayer &ranked = result.budgets[1].layers[l], &rerun = result.budgets[3].layers[l];
    EXPECT_EQ(ranked.committee, rerun.committee);
    EXPECT_EQ(ranked.retention.value, rerun.retention.value);
    EXPECT_EQ(ranked.retention.bootstrap->low, rerun.retention.bootstrap->low);
    EXPECT_EQ(ranked.coverage_topk.permuted->mean, rerun.coverage_topk.permuted->mean);
  }
  AuditOptions at = quick();
  const AuditResult own = audit(trace, at);
  at.k = 3;
  const AuditResult direct = audit(other, at);
  for (size_t l = 0; l < 2; ++l) {
    const auto &committee = own.layers[l].committee, &found = direct.layers[l].committee;
    EXPECT_EQ(result.budgets[4].layers[l].committee, found);
    double kept = 0;
    for (const int id : committee) kept += std::find(found.begin(), found.end(), id) != found.end();
    EXPECT_DOUBLE_EQ(*result.budgets[4].layers[l].retention.value,
                     kept / static_cast<double>(committee.size()));
  }
  const auto fewer = made_trace({30, 30, 29}, 0.6, 27).write("sweep_fewer");
  EXPECT_THROW(sweep(trace, options, {2}, {{2, &fewer}}), Error);
}

}  // namespace
}  // namespace committee::audit
