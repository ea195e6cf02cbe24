#include "roles/roles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "audit/make_trace.h"
#include "base/error.h"
#include "roles/classes.h"

namespace committee::roles {
namespace {

using audit::testing::MadeRow;
using audit::testing::MadeSample;
using audit::testing::MadeTrace;

constexpr int kThe = 3;  // the token that the planted expert serves

// Samples of random tokens and random routing, two layers of eight experts; in layer 2 (index 1) expert 5
// runs for every kThe and for nothing else where `planted`.
MadeTrace random_trace(uint64_t seed, bool planted, int samples = 60, int rows = 25) {
  MadeTrace made;
  made.positions = "all";
  Random random(seed);
  for (int s = 0; s < samples; ++s) {
    MadeSample sample{"domain " + std::to_string(s % 4), "", {}};
    for (int r = 0; r < rows; ++r) {
      MadeRow row;
      row.token = static_cast<int32_t>(random.below(10));
      for (int l = 0; l < made.layers; ++l) {
        std::vector<double> p(made.experts);
        for (double& x : p) x = 0.1 + random.uniform();
        if (planted && l == 1) p[5] = row.token == kThe ? 3 : 0.01;
        const double total = std::accumulate(p.begin(), p.end(), 0.0);
        for (const double x : p) row.probs.push_back(static_cast<float>(x / total));
      }
      sample.rows.push_back(std::move(row));
    }
    made.samples.push_back(std::move(sample));
  }
  return made;
}

RolesOptions options_for(std::vector<std::vector<int>> sets) {
  RolesOptions options;
  options.sets = std::move(sets);
  options.text = [](int32_t token) {
    return token == kThe ? std::string("␣The") : "w" + std::to_string(token);
  };
  options.class_of_word = {{"the", "structural"}};
  options.audit.permutations = 40;
  options.shuffles = 20;
  return options;
}

const Cell& cell_of(const RolesResult& result, int layer, int expert, const std::string& name) {
  for (const Cell& cell : result.cells) {
    const auto& own =
        cell.kind == CellKind::kDomain ? result.domains[cell.group].name : result.classes[cell.group];
    if (cell.layer == layer && cell.expert == expert && own == name) return cell;
  }
  throw Error("no cell {} {} {}", layer, expert, name);
}

TEST(Roles, FindsTheExpertThatServesOneWord) {
  const auto trace = random_trace(1, true).write("roles_planted");
  const auto result = roles(trace, options_for({{0}, {5}}));
  const Cell& cell = cell_of(result, 2, 5, "structural");
  EXPECT_GT(*cell.log_odds, 5);
  EXPECT_LT(*cell.q_value, 1e-10);
  const auto marked = std::count_if(result.tokens.begin(), result.tokens.end(), [](const ServedToken& token) {
    return token.layer == 2 && token.marked;
  });
  EXPECT_EQ(marked, 1);
  for (const ServedToken& token : result.tokens) {
    if (token.layer != 2) continue;
    EXPECT_EQ(token.token, kThe);
    EXPECT_EQ(token.share, 1);
    EXPECT_EQ(token.domains, 4);
    EXPECT_EQ(result.classes[token.token_class], "structural");
  }
  const ExpertTokens& expert = result.experts[8 + 5];
  EXPECT_NEAR(*expert.information.value, *expert.entropy, 1e-12);  // the token decides
  EXPECT_LT(expert.information.permuted->mean, 0.1 * *expert.entropy);
  EXPECT_LT(*expert.q_value, 1e-10);
  EXPECT_EQ(expert.marked.permuted->mean, 0);
  EXPECT_EQ(result.domain_discoveries.found, 0);
}

TEST(Roles, CountsAgreeWithALoopOverTheRows) {
  const MadeTrace made = random_trace(2, false);
  const auto trace = made.write("roles_counts");
  auto options = options_for({{0, 1, 2, 3, 4, 5, 6, 7}, {}});
  options.min_count = 8;
  const auto result = roles(trace, options);
  std::map<std::pair<int, int>, std::map<std::string, int>> counts;  // expert, token → domain → times
  std::map<int, int> occurrences;
  for (const auto& sample : made.samples) {
    for (const auto& row : sample.rows) {
      ++occurrences[row.token];
      for (const int id : made.best(row.probs.data())) ++counts[{id, row.token}][sample.domain];
    }
  }
  ASSERT_EQ(result.tokens.size(), counts.size());
  for (const ServedToken& token : result.tokens) {
    int total = 0, domains = 0;
    for (const auto& [domain, n] : counts.at({token.expert, token.token})) {
      total += n;
      domains += n >= 8;
    }
    EXPECT_EQ(token.count, total);
    EXPECT_EQ(token.domains, domains);
    EXPECT_EQ(token.occurrences, occurrences[token.token]);
  }
  // The information of expert 0 by its definition.
  double bits = 0, x = 0;
  const double n = static_cast<double>(result.known_rows);
  for (const auto& [token, times] : occurrences) {
    for (const auto& [domain, c] : counts[{0, token}]) x += c;
  }
  for (const auto& [token, times] : occurrences) {
    double c = 0;
    for (const auto& [domain, k] : counts[{0, token}]) c += k;
    if (c > 0) bits += c / n * std::log2(c * n / (times * x));
    if (times - c > 0) bits += (times - c) / n * std::log2((times - c) * n / (times * (n - x)));
  }
  EXPECT_NEAR(*result.experts[0].information.value, bits, 1e-12);
}

TEST(Roles, RandomRoutingGivesNoDiscoveriesBeyondTheRate) {
  int found = 0, with_any = 0;
  double p_sum = 0;
  int64_t cells = 0;
  for (uint64_t seed = 10; seed < 40; ++seed) {
    const auto trace = random_trace(seed, false, 40, 12).write("roles_random");
    auto options = options_for({{0}, {0}});
    options.shuffles = 0;
    options.audit.permutations = 0;
    const auto result = roles(trace, options);
    const auto all = result.domain_discoveries.found + result.class_discoveries.found;
    found += static_cast<int>(all);
    with_any += all > 0;
    for (const Cell& cell : result.cells) {
      if (!cell.p_value) continue;
      p_sum += *cell.p_value;
      ++cells;
    }
  }
  EXPECT_LE(with_any, 5);  // 5% of 30 sets expected under the null; more than 5 has probability 0.003
  EXPECT_LE(found, 12);
  EXPECT_NEAR(p_sum / static_cast<double>(cells), 0.5, 0.05);
}

TEST(Roles, FindsDomainsAndSplitsTheirInformation) {
  auto made = audit::testing::made_trace({20, 20, 20}, 1.0, 3, 10);
  made.positions = "all";
  const auto trace = made.write("roles_domains");
  const auto result = roles(trace, options_for({{0}, {0}}));
  for (int d = 0; d < 3; ++d) {
    const Cell& cell = cell_of(result, 1, 1 + d, "domain " + std::to_string(d));
    EXPECT_GT(*cell.log_odds, 0.5);
    EXPECT_LT(*cell.q_value, 1e-3);
  }
  const auto& layer = result.information[0];
  EXPECT_NEAR(*layer.total.value, *layer.inside.value + *layer.outside.value, 1e-12);
  EXPECT_LT(layer.outside.permuted->p_value, 0.05);
  EXPECT_GT(*layer.difference.value, layer.difference.permuted->high);
  EXPECT_GT(result.domain_discoveries.found, 5);
  EXPECT_LT(*result.domain_discoveries.permuted_mean, 1);
}

TEST(Roles, ThreadsAndMemoryChangeNothing) {
  const auto trace = random_trace(4, true).write("roles_threads");
  auto options = options_for({{1}, {5}});
  const auto one = roles(trace, options);
  options.audit.threads = 3;
  options.audit.memory = 1;  // a layer at a time
  const auto three = roles(trace, options);
  ASSERT_EQ(one.cells.size(), three.cells.size());
  for (size_t i = 0; i < one.cells.size(); ++i) EXPECT_EQ(one.cells[i].q_value, three.cells[i].q_value);
  for (size_t i = 0; i < one.experts.size(); ++i) {
    EXPECT_EQ(one.experts[i].information.value, three.experts[i].information.value);
    EXPECT_EQ(one.experts[i].information.permuted->mean, three.experts[i].information.permuted->mean);
  }
}

TEST(Roles, RefusesOneTokenASample) {
  auto made = random_trace(5, false, 8, 1);
  made.positions = "last";
  const auto trace = made.write("roles_last");
  try {
    roles(trace, options_for({{0}, {0}}));
    FAIL();
  } catch (const Error& problem) {
    EXPECT_THAT(problem.what(), testing::HasSubstr("--positions all"));
  }
}

TEST(Roles, UnknownTokensLeaveTheDomains) {
  auto made = random_trace(6, false);
  for (auto& sample : made.samples) {
    for (auto& row : sample.rows) row.token = -1;
  }
  const auto result = roles(made.write("roles_unknown"), options_for({{0}, {0}}));
  EXPECT_EQ(result.known_rows, 0);
  EXPECT_TRUE(result.tokens.empty());
  EXPECT_EQ(result.cells.size(), 2u * 8 * 4);
}

TEST(Classes, WordListsAreChecked) {
  const auto list = parse_classes("token,class\nThe,structural\n\",\",structural\n", "list");
  EXPECT_EQ(list.at("the"), "structural");
  EXPECT_EQ(class_key("␣The"), "the");
  EXPECT_EQ(class_key("␣"), "␣");
  EXPECT_THROW(parse_classes("word,class\n", "list"), Error);
  EXPECT_THROW(parse_classes("token,class\na,x\nA,y\n", "list"), Error);
  EXPECT_THROW(parse_classes("token,class\na,common\n", "list"), Error);
  EXPECT_EQ(parse_classes(kTokenClasses, "built in").at("which"), "reasoning");
}

}  // namespace
}  // namespace committee::roles
