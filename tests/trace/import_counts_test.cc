#include <cstring>

#include "base/json.h"
#include "import_testing.h"
#include "npy_testing.h"
#include "trace/gguf.h"

namespace committee::trace {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<float> shares(std::vector<float> counts) {
  float sum = 0;
  for (const float count : counts) sum += count;
  for (auto& count : counts) count /= sum;
  return counts;
}

class ImportSglang : public ImportTest {
 protected:
  ImportSglang() : ImportTest("sglang") {}
};

TEST_F(ImportSglang, StepsAreAddedUp) {
  const auto result = import(fixture("sglang/stat.npz"), {.top_k = 2});
  EXPECT_THAT(result.manifest.recording.allowed_eci, ElementsAre("frequency"));
  EXPECT_EQ(result.manifest.recording.executed, Executed::kNone);
  EXPECT_EQ(result.manifest.recording.positions, "sample");
  EXPECT_THAT(result.warnings, Contains(HasSubstr("1 layers without any count")));
  EXPECT_THAT(result.warnings, testing::Not(Contains(HasSubstr("circular"))));
  const WholeTraceRows whole(output_);
  EXPECT_THAT(whole.trace.manifest().model.moe_layers, ElementsAre(1, 2));
  EXPECT_EQ(whole.trace.samples()[0].domain, "stat");
  double sum = 0;
  for (const float share : whole.rows.probs) sum += share;
  EXPECT_NEAR(sum, 2, 1e-6);
}

TEST_F(ImportSglang, AFullBufferAndItsSums) {
  write_text(input_ / "law.npy", npy_bytes<int32_t>("<i4", "(2, 1, 4)", {1, 0, 2, 0, 4, 1, 0, 0}));
  EXPECT_THAT(import(input_, {.top_k = 2}).warnings,
              Contains(HasSubstr("all 2 steps of the buffer are in use")));
  EXPECT_THAT(WholeTraceRows(output_).rows.probs, ElementsAre(0.625f, 0.125f, 0.25f, 0));
}

TEST_F(ImportSglang, OldCsvOfSeveralRanks) {
  write_text(input_ / "law/rank0.csv", "layer_id,expert_id,count\n3,0,5\n3,2,1\n");
  write_text(input_ / "law/rank1.csv", "layer_id,expert_id,count\n3,2,2\n");
  write_text(input_ / "drama/rank0.csv", "layer_id,expert_id,count\n3,3,8\n");
  EXPECT_THAT(import(input_, {.top_k = 2, .experts = 4}).manifest.domains, ElementsAre("drama", "law"));
  EXPECT_THAT(WholeTraceRows(output_).rows.probs, ElementsAre(0, 0, 0, 1, 0.625f, 0, 0.375f, 0));
}

TEST_F(ImportSglang, JsonOfCounts) {
  write_text(input_ / "law.json", R"({"logical_count": [[[0, 0], [3, 1]], [[0, 0], [3, 1]]]})");
  import(input_, {.top_k = 1});
  const WholeTraceRows whole(output_);
  EXPECT_THAT(whole.rows.probs, ElementsAre(0.75f, 0.25f));
  EXPECT_THAT(whole.trace.manifest().model.moe_layers, ElementsAre(1));
}

TEST_F(ImportSglang, BadInputIsRefused) {
  const std::string header = "layer_id,expert_id,count\n";
  EXPECT_THAT(refused_text("a.csv", "layer,expert,count\n1,2,3\n", {.top_k = 1}),
              HasSubstr("the header must be"));
  EXPECT_THAT(refused_text("a.csv", header + "1,2\n", {.top_k = 1}), HasSubstr("a.csv:2: has 2 cells"));
  EXPECT_THAT(refused_text("a.csv", header + "1,x,3\n", {.top_k = 1}),
              HasSubstr("\"x\" is not a whole number"));
  EXPECT_THAT(refused_text("a.csv", header + "1,2,-3\n", {.top_k = 1}), HasSubstr("\"-3\""));
  EXPECT_THAT(refused_text("a.csv", header, {.top_k = 1}), HasSubstr("has no counts"));
  EXPECT_THAT(refused_text("a.csv", header + "1,9,3\n", {.top_k = 1, .experts = 8}),
              HasSubstr("expert 9 is beyond"));
  EXPECT_THAT(refused_text("a.csv", header + "1,2,3\n"), HasSubstr("give --k"));
  std::string wide = header;
  for (int layer = 0; layer < 400; ++layer) wide += fmt::format("{},65000,1\n", layer);
  EXPECT_THAT(refused_text("a.csv", wide, {.top_k = 1}), HasSubstr("too many layers and experts"));
  EXPECT_THAT(refused_text("a.npy", npy_bytes<int32_t>("<i4", "(4,)", {1, 2, 3, 4}), {.top_k = 1}),
              HasSubstr("must be [steps, layers, experts]"));
  EXPECT_THAT(refused_text("a.npy", npy_bytes<int32_t>("<i4", "(1, 4)", {1, 2, -3, 4}), {.top_k = 1}),
              HasSubstr("layer 0, expert 2 has the count -3"));
  EXPECT_THAT(refused_text("a.npy", npy_bytes<int32_t>("<i4", "(1, 4)", {0, 0, 0, 0}), {.top_k = 1}),
              HasSubstr("no layer has any count"));
  EXPECT_THAT(refused_text("a.json", R"({"logical_count": [[1, "x"]]})", {.top_k = 1}),
              HasSubstr("\"logical_count\" must be"));
}

TEST_F(ImportSglang, PhysicalExpertsNeedTheirMap) {
  // A safetensors file by hand: three physical experts, two of them copies of logical expert 1.
  const auto file = [](bool with_map) {
    std::string header = R"({"physical_count":{"dtype":"I32","shape":[1,1,3],"data_offsets":[0,12]})";
    if (with_map)
      header += R"(,"physical_to_logical_map":{"dtype":"I32","shape":[1,3],"data_offsets":[12,24]})";
    header += "}";
    header.resize((header.size() + 7) / 8 * 8, ' ');
    const uint64_t size = header.size();
    const int32_t values[] = {5, 2, 1, 1, 0, 1};
    std::string bytes(reinterpret_cast<const char*>(&size), 8);
    bytes += header;
    return bytes + std::string(reinterpret_cast<const char*>(values), with_map ? 24 : 12);
  };
  EXPECT_THAT(refused_text("a.safetensors", file(false), {.top_k = 1}),
              HasSubstr("\"physical_to_logical_map\""));
  write_text(input_ / "a.safetensors", file(true));
  import(input_, {.top_k = 1});
  EXPECT_THAT(WholeTraceRows(output_).rows.probs, ElementsAre(0.25f, 0.75f));
}

class ImportLlamaCpp : public ImportTest {
 protected:
  ImportLlamaCpp() : ImportTest("llamacpp") {}

  static std::string stats(const std::vector<int>& first, const std::vector<int>& second, int tokens = 0) {
    const auto layer = [&](const std::vector<int>& counts) {
      Json json = {{"activation_counts", counts}};
      if (tokens > 0) json["total_tokens"] = tokens;
      return json;
    };
    return Json({{"0", layer(first)}, {"1", layer(second)}}).dump();
  }
};

TEST_F(ImportLlamaCpp, ImportanceMatrix) {
  const auto result = import(fixture("llamacpp/imatrix.gguf"));
  EXPECT_EQ(result.manifest.model.top_k, 2);  // 300 executions of 3 · 50 tokens
  EXPECT_EQ(result.manifest.model.experts, 8);
  EXPECT_THAT(result.manifest.model.moe_layers, ElementsAre(1, 2));
  const WholeTraceRows whole(output_);
  EXPECT_EQ(whole.trace.samples()[0].tokens, 150);
  // Every count is a whole number of 300.
  for (const float share : whole.rows.probs) EXPECT_NEAR(share * 300, std::round(share * 300), 1e-4);
  EXPECT_THAT(refused(fixture("llamacpp/imatrix.gguf"), {.top_k = 3}),
              HasSubstr("counts are of 2 experts a token, not 3"));
}

TEST_F(ImportLlamaCpp, ExpertStats) {
  const auto result = import(fixture("llamacpp/expert_stats.json"));
  EXPECT_EQ(result.manifest.model.top_k, 2);
  EXPECT_THAT(result.manifest.model.moe_layers, ElementsAre(1, 4));
  auto wanted = shares({9, 1, 4, 2, 1, 1, 1, 1});
  const auto second = shares({2, 2, 2, 8, 3, 1, 1, 1});
  wanted.insert(wanted.end(), second.begin(), second.end());
  EXPECT_THAT(WholeTraceRows(output_).rows.probs, testing::Pointwise(testing::FloatEq(), wanted));
}

TEST_F(ImportLlamaCpp, WholeRankingsAreRefused) {
  const auto sentence = HasSubstr("counts whole rankings instead of the top k");
  const std::vector<int> equal(8, 100);
  EXPECT_THAT(refused_text("a.json", stats(equal, equal, 400)), sentence);
  // The last, cut ranking of each batch leaves some experts one ahead.
  EXPECT_THAT(refused_text("a.json", stats({101, 101, 100, 100, 100, 101, 100, 100}, equal), {.top_k = 2}),
              sentence);
  EXPECT_THAT(refused_text("a.json", stats({100, 100, 100, 100}, {100, 100, 100, 100}), {.top_k = 2}),
              sentence);
  // Counts that a balanced router may give are not.
  write_text(input_ / "a.json",
             stats({109, 93, 101, 88, 96, 112, 104, 97}, {95, 105, 99, 110, 87, 104, 92, 108}, 400));
  EXPECT_EQ(import(input_).manifest.model.top_k, 2);
}

TEST_F(ImportLlamaCpp, BadInputIsRefused) {
  EXPECT_THAT(refused_text("a.json", "[1]"), HasSubstr("must hold an object of layers"));
  EXPECT_THAT(refused_text("a.json", "{\"0\": {\"x\": 1}}"), HasSubstr("no layer has \"activation_counts\""));
  EXPECT_THAT(refused_text("a.json", stats({1, 2}, {1, 2, 3}), {.top_k = 1}),
              HasSubstr("layer 1 has 3 experts, others have 2"));
  EXPECT_THAT(refused_text("a.json", R"({"0": {"activation_counts": [1, null]}})", {.top_k = 1}),
              HasSubstr("must hold numbers"));
  EXPECT_THAT(refused_text("a.dat", "older format"), HasSubstr("not a GGUF file"));
}

TEST(Gguf, DamageIsFound) {
  const auto good = read_text(fixture("llamacpp/imatrix.gguf"));
  const auto parse = [](const std::string& text) {
    return parse_gguf(std::as_bytes(std::span(text)), "a.gguf");
  };
  EXPECT_EQ(parse(good).texts.at("general.type"), "imatrix");
  EXPECT_EQ(parse(good).integers.at("imatrix.chunk_count"), 3u);
  // Cut anywhere, it is refused (or the tensors that are left out were padding).
  for (size_t size = 0; size + 64 < good.size(); size += 7) {
    EXPECT_THAT(error_of([&] { parse(good.substr(0, size)); }), HasSubstr("a.gguf")) << size;
  }
  const auto with = [&](size_t at, uint64_t value, size_t bytes) {
    auto text = good;
    std::memcpy(text.data() + at, &value, bytes);
    return error_of([&] { parse(text); });
  };
  EXPECT_THAT(with(4, 9, 4), HasSubstr("GGUF version 9"));
  EXPECT_THAT(with(8, ~uint64_t{0}, 8), HasSubstr("a.gguf"));
  EXPECT_THAT(with(16, ~uint64_t{0}, 8), HasSubstr("a.gguf"));
  EXPECT_THAT(with(24, ~uint64_t{0}, 8), HasSubstr("truncated"));
}

class ImportReap : public ImportTest {
 protected:
  ImportReap() : ImportTest("reap") {}
};

TEST_F(ImportReap, Observations) {
  write_text(input_ / "law.json", R"({"layers": {
    "1": {"total_tokens": 8, "expert_frequency": [8, 4, 3, 1], "pairwise_expert_frequency": [[16, 12], [12, 8]]},
    "2": {"total_tokens": 8, "expert_frequency": [2, 6, 0, 8], "reap": [0.1, 0.2, 0, 0.4]}}})");
  const auto result = import(input_);
  EXPECT_EQ(result.manifest.model.top_k, 2);
  EXPECT_THAT(result.warnings,
              Contains(HasSubstr("pairwise_expert_frequency is the sum of two frequencies")));
  EXPECT_THAT(WholeTraceRows(output_).rows.probs,
              ElementsAre(0.5f, 0.25f, 0.1875f, 0.0625f, 0.125f, 0.375f, 0, 0.5f));
  EXPECT_THAT(refused_text("a.pt", "pickle"), HasSubstr("Python package only"));
}

class ImportEsft : public ImportTest {
 protected:
  ImportEsft() : ImportTest("esft") {}

  void add(const std::string& folder, int layer, const std::string& text) {
    write_text(input_ / folder / fmt::format("expert_weights_{}.txt", layer), text);
  }
};

TEST_F(ImportEsft, TokenTraces) {
  add("law", 1, "3\t1\t0\t2\t\t0.2\t0.5\t0.25\t0.25\n5\t4\t\t0.5\t0.5\n");
  add("law", 2, "0\t1\t1\t2\t\t0.5\t0.25\t0.125\t0.5\n7\t6\t\t0.25\t0.5\n");
  add("intent/rank_0", 1, "1\t2\t\t0.5\t0.25\n");
  add("intent/rank_0", 2, "1\t2\t\t0.5\t0.25\n");
  add("intent/rank_1", 1, "2\t3\t\t0.5\t0.25\n");
  add("intent/rank_1", 2, "2\t3\t\t0.5\t0.25\n");
  const auto result = import(input_, {.top_k = 2, .experts = 8});
  EXPECT_THAT(result.manifest.recording.allowed_eci, ElementsAre("executed", "frequency", "reference"));
  const WholeTraceRows whole(output_);
  EXPECT_THAT(whole.trace.manifest().model.moe_layers, ElementsAre(1, 2));
  ASSERT_EQ(whole.trace.samples().size(), 4u);
  EXPECT_EQ(whole.trace.samples()[1].id, "intent/1");
  EXPECT_EQ(whole.trace.samples()[2].domain, "law");
  EXPECT_EQ(whole.trace.samples()[2].tokens, 2);
  EXPECT_THAT(whole.rows.position, ElementsAre(0, 0, 0, 1, 0));
  // By weight descending, of equal ones the lower id.
  EXPECT_THAT(whole.rows.topk_id.subspan(8), ElementsAre(1, 3, 0, 1, 0, 2, 2, 1, 4, 5, 6, 7));
  EXPECT_THAT(whole.rows.topk_weight.subspan(8),
              ElementsAre(0.5f, 0.2f, 0.5f, 0.25f, 0.25f, 0.25f, 0.5f, 0.125f, 0.5f, 0.5f, 0.5f, 0.25f));
}

TEST_F(ImportEsft, BadTracesAreRefused) {
  const ImportOptions two = {.top_k = 2, .experts = 8};
  const auto refused_lines = [&](const std::string& first, const std::string& second) {
    add("law", 1, first);
    add("law", 2, second);
    return refused(input_, two);
  };
  const std::string good = "1\t2\t\t0.5\t0.25\n";
  EXPECT_THAT(refused_lines("1\t2\t0.5\t0.25\n", good), HasSubstr("expert_weights_1.txt:1: has no two tabs"));
  EXPECT_THAT(refused_lines("1\tx\t\t0.5\t0.25\n", good), HasSubstr("not numbers between tabs"));
  EXPECT_THAT(refused_lines("1\t2\t3\t\t0.5\t0.25\t0.1\n", good),
              HasSubstr("3 ids and 3 weights, must be 2"));
  EXPECT_THAT(refused_lines("1\t1\t\t0.5\t0.25\n", good),
              HasSubstr("token 0 executes expert 1 twice: is --k 2 right?"));
  EXPECT_THAT(refused_lines("1\t2\t\t0.5\tnan\n", good),
              HasSubstr("the weight nan is negative or not finite"));
  EXPECT_THAT(refused_lines("1\t9\t\t0.5\t0.25\n", good), HasSubstr("id 9 is beyond the 8 experts"));
  EXPECT_THAT(refused_lines(good + good, good), HasSubstr("expert_weights_2.txt: has fewer lines"));
  EXPECT_THAT(refused_lines(good, good + good), HasSubstr("expert_weights_2.txt: has more lines"));
  EXPECT_THAT(refused_lines(good, "1\t2\t3\t4\t\t1\t1\t1\t1\n"), HasSubstr("has 4 ids, other layers have 2"));
  add("intent", 1, good);
  EXPECT_THAT(refused_lines(good, good), HasSubstr("has other layers than"));
}

TEST_F(ImportEsft, Summary) {
  write_text(input_ / "law/summary.json",
             R"({"token_scores": {"1": {"0": 0.75, "1": 0.25}, "2": {"1": 0.5, "0": 0.5}},
                                              "gate_scores": {"1": {"0": 0.5, "1": 0.5}, "2": {"0": 0, "1": 1}}})");
  const auto result = import(input_, {.top_k = 1});
  EXPECT_THAT(result.manifest.recording.allowed_eci, ElementsAre("frequency"));
  EXPECT_THAT(WholeTraceRows(output_).rows.probs, ElementsAre(0.75f, 0.25f, 0.5f, 0.5f));
  EXPECT_THAT(refused_text("b.json", R"({"token_scores": {"1": {"0": 0.2, "1": 0.3}}})", {.top_k = 1}),
              HasSubstr("layer 1 sum to 0.5000, not 1"));
}

}  // namespace
}  // namespace committee::trace
