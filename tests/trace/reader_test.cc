#include "trace/reader.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>

#include "base/json.h"
#include "trace/manifest_json.h"
#include "trace_testing.h"

namespace committee::trace {
namespace {

using testing::HasSubstr;

class Reader : public testing::Test {
 protected:
  // One trace for all; each test has a copy.
  static void SetUpTestSuite() {
    original_ = std::filesystem::path(testing::TempDir()) / "trace" / "reader_test";
    std::filesystem::remove_all(original_);
    write_trace(fake_run(12), original_, 12, {.samples = 8});
  }

  void SetUp() override {
    folder_ = test_folder();
    std::filesystem::copy(original_, folder_);
  }

  // Opens, then reads everything.
  std::string refused() {
    return error_of([&] {
      const auto trace = Trace::open(folder_);
      Trace::Scratch scratch;
      for (int64_t shard = 0; shard < trace.shards(); ++shard)
        trace.read(shard, 0, trace.shard_rows(shard), scratch);
    });
  }

  template <typename Change>
  std::string refused_manifest(Change&& change) {
    const auto path = folder_ / "trace.json";
    const auto text = read_text(path);
    Json json = parse_json(text, "trace.json");
    change(json);
    write_text(path, json.dump());
    const auto sentence = refused();
    write_text(path, text);
    return sentence;
  }

  // Overwrites one element of a column of the first shard.
  template <typename T>
  std::string refused_value(const char* column, int64_t index, T value) {
    const auto path = folder_ / "records-00001.safetensors";
    const auto before = read_text(path);
    auto text = before;
    const Json header = parse_json(std::string_view(text).substr(8, 1016), "header");
    const auto at =
        header[column]["data_offsets"][0].get<size_t>() + 1024 + static_cast<size_t>(index) * sizeof(T);
    std::memcpy(text.data() + at, &value, sizeof(T));
    write_text(path, text);
    EXPECT_THAT(error_of([&] { Trace::open(folder_).verify(0); }), testing::Ne("no error"));
    EXPECT_THAT(refused(), testing::Ne("no error"));
    // With the checksum of what was written the value itself is refused.
    const auto sentence =
        refused_manifest([&](Json& json) { json["shards"][0]["checksum"] = checksum_of(text); });
    write_text(path, before);
    EXPECT_THAT(sentence, HasSubstr("records-00001.safetensors"));
    return sentence;
  }

  std::string refused_text(const char* file, const std::string& from, const std::string& to) {
    const auto path = folder_ / file;
    const auto before = read_text(path);
    auto text = before;
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    write_text(path, text);
    const auto sentence = refused();
    write_text(path, before);
    return sentence;
  }

  static inline std::filesystem::path original_;
  std::filesystem::path folder_;
};

TEST_F(Reader, AGoodTraceIsRead) { EXPECT_EQ(refused(), "no error"); }

TEST_F(Reader, TheManifestIsChecked) {
  EXPECT_THAT(refused_manifest([](Json& j) { j["complete"] = false; }), HasSubstr("--resume"));
  EXPECT_THAT(refused_manifest([](Json& j) { j["format_version"] = 2; }), HasSubstr("format version 2"));
  EXPECT_THAT(refused_manifest([](Json& j) { j = Json::array(); }), HasSubstr("must hold a JSON object"));
  EXPECT_THAT(refused_manifest([](Json& j) { j.erase("model"); }), HasSubstr("\"model\" is missing"));
  EXPECT_THAT(refused_manifest([](Json& j) { j["model"] = 3; }), HasSubstr("must hold a JSON object"));
  EXPECT_THAT(refused_manifest([](Json& j) { j["model"]["experts"] = "six"; }),
              HasSubstr("must be an integer"));
  EXPECT_THAT(refused_manifest([](Json& j) { j["model"]["experts"] = 65536; }), HasSubstr("1..65535"));
  EXPECT_THAT(refused_manifest([](Json& j) { j["model"]["top_k"] = 7; }), HasSubstr("1..6"));
  EXPECT_THAT(refused_manifest([](Json& j) {
                j["model"]["moe_layers"] = {5, 2, 1};
              }),
              HasSubstr("must ascend"));
  EXPECT_THAT(refused_manifest([](Json& j) { j["model"]["moe_layers"] = {"a"}; }), HasSubstr("integers"));
  EXPECT_THAT(refused_manifest([](Json& j) { j["model"]["moe_layers"] = Json::array(); }),
              HasSubstr("empty"));
  EXPECT_THAT(refused_manifest([](Json& j) { j["recording"]["dtype"] = "f8"; }), HasSubstr("\"f8\""));
  EXPECT_THAT(refused_manifest([](Json& j) { j["recording"]["options"] = 1; }),
              HasSubstr("must be an object"));
  EXPECT_THAT(refused_manifest(
                  [](Json& j) { j["recording"]["record"] = "topk", j["recording"]["executed"] = "none"; }),
              HasSubstr("neither"));
  EXPECT_THAT(refused_manifest([](Json& j) { j["shards"][0]["rows"] = -1; }),
              HasSubstr("must not be negative"));
  EXPECT_THAT(refused_manifest([](Json& j) { j["shards"][0]["file"] = "../records-00001.safetensors"; }),
              HasSubstr("not the name of a shard"));
  EXPECT_THAT(refused_manifest([](Json& j) { std::swap(j["shards"][0], j["shards"][1]); }),
              HasSubstr("must be"));
  EXPECT_THAT(refused_manifest([](Json& j) { j["shards"][1]["samples"] = 5; }), HasSubstr("more samples"));
  EXPECT_THAT(refused_manifest([](Json& j) { j["shards"][1]["samples"] = 3; }),
              HasSubstr("outside the shard's 8..10"));
  EXPECT_THAT(refused_manifest([](Json& j) { j["shards"].erase(1); }),
              HasSubstr("hold 8 samples, the trace 12"));
  EXPECT_THAT(refused_text("trace.json", "\"complete\"", "complete"), HasSubstr("not valid JSON"));
}

TEST_F(Reader, ShardsMustFitTheManifest) {
  const auto change = [&](const char* key, Json value) {
    const auto path = folder_ / "trace.json";
    const auto text = read_text(path);
    Json json = parse_json(text, "trace.json");
    json["shards"][0][key] = value;
    write_text(path, json.dump());
    const auto sentence = refused();
    write_text(path, text);
    return sentence;
  };
  EXPECT_THAT(change("rows", 3), HasSubstr("has shape"));
  EXPECT_THAT(change("rows", int64_t{1} << 60), HasSubstr("cannot hold"));
  EXPECT_THAT(change("bytes", 77), HasSubstr("the manifest says 77"));
  std::filesystem::resize_file(folder_ / "records-00001.safetensors", 1200);
  EXPECT_THAT(refused(), HasSubstr("records-00001.safetensors"));
  std::filesystem::remove(folder_ / "records-00001.safetensors");
  EXPECT_THAT(refused(), HasSubstr("records-00001.safetensors: cannot open"));
}

TEST_F(Reader, ColumnsMustBeTheManifests) {
  EXPECT_THAT(refused_text("trace.json", "\"f32\"", "\"f16\""), HasSubstr("has dtype F32, must be F16"));
  EXPECT_THAT(refused_text("trace.json", "\"experts\": 6", "\"experts\": 5"), HasSubstr("has shape"));
  EXPECT_THAT(refused_text("records-00001.safetensors", "\"probs\"", "\"porbs\""),
              HasSubstr("\"probs\" is missing"));
}

TEST_F(Reader, ValuesAreChecked) {
  EXPECT_THAT(refused_value<int32_t>("sample", 0, -1), HasSubstr("row 0 has sample -1, outside"));
  EXPECT_THAT(refused_value<int32_t>("sample", 1, 8),
              HasSubstr("row 1 has sample 8, outside the shard's 0..7"));
  EXPECT_THAT(refused_value<int32_t>("position", 0, 50), HasSubstr("row 1 breaks the order"));
  EXPECT_THAT(refused_value<int32_t>("position", 0, -2), HasSubstr("negative position"));
  EXPECT_THAT(refused_value<uint8_t>("content", 2, 2), HasSubstr("row 2 has content 2"));
  EXPECT_THAT(refused_value<float>("probs", 18 + 6, -0.5f),
              HasSubstr("\"probs\" of row 1, layer 2 holds a negative"));
  EXPECT_THAT(refused_value<float>("probs", 0, NAN), HasSubstr("non-finite"));
  EXPECT_THAT(refused_value<float>("topk_weight", 7, INFINITY),
              HasSubstr("\"topk_weight\" of row 1, layer 1"));
  EXPECT_THAT(refused_value<uint16_t>("topk_id", 5, 6),
              HasSubstr("\"topk_id\" of row 0, layer 5 holds an id twice"));
}

TEST_F(Reader, ADamagedShardIsFoundByItsChecksum) {
  const auto path = folder_ / "records-00002.safetensors";
  auto text = read_text(path);
  text[1500] ^= 4;
  write_text(path, text);
  const auto trace = Trace::open(folder_);
  trace.verify(0);
  EXPECT_THAT(error_of([&] { trace.verify(1); }), HasSubstr("records-00002.safetensors: its checksum is"));
}

TEST_F(Reader, SamplesAreChecked) {
  const auto lines = "samples.jsonl:";
  EXPECT_THAT(refused_text("samples.jsonl", "\"id\":\"q3\"", "\"id\":\"q1\""),
              HasSubstr("samples.jsonl:4: the id \"q1\""));
  EXPECT_THAT(refused_text("samples.jsonl", "\"tokens\":", "\"tokens\":-"), HasSubstr(lines));
  EXPECT_THAT(refused_text("samples.jsonl", "\"wrong\"", "\"right\""), HasSubstr("\"outcome\" is \"right\""));
  EXPECT_THAT(refused_text("samples.jsonl", "\"answer\":1", "\"answer\":2"),
              HasSubstr("not one of the choices"));
  EXPECT_THAT(refused_text("samples.jsonl", "\"domain\"", "\"domian\""), HasSubstr("\"domain\" is missing"));
  EXPECT_THAT(refused_text("samples.jsonl", "{\"id\":\"q5\"", "\"id\":\"q5\""),
              HasSubstr("samples.jsonl:6: not valid JSON"));
  auto text = read_text(folder_ / "samples.jsonl");
  write_text(folder_ / "samples.jsonl", text.substr(text.find('\n') + 1));
  EXPECT_THAT(refused(), HasSubstr("has 11 samples, the manifest says 12"));
}

TEST_F(Reader, RowsOutsideAShardAreRefused) {
  const auto trace = Trace::open(folder_);
  Trace::Scratch scratch;
  EXPECT_THAT(error_of([&] { trace.read(0, 0, trace.shard_rows(0) + 1, scratch); }), HasSubstr("outside"));
  EXPECT_THAT(error_of([&] { trace.read(0, -1, 1, scratch); }), HasSubstr("outside"));
  const auto before = trace.read(0, 2, 1, scratch).token[0];
  trace.drop(0, 0, trace.shard_rows(0));
  EXPECT_EQ(trace.read(0, 2, 1, scratch).token[0], before);
}

TEST_F(Reader, ColumnsWithTheLinesOwnNamesAreKept) {
  SampleInfo sample{.id = "q", .domain = "d", .tokens = 1};
  sample.columns = {{"language", "de"}, {"outcome", "a column of the data"}, {"id", "another"}};
  const auto read = parse_sample(sample_line(sample), "here");
  EXPECT_EQ(read.outcome, "");
  EXPECT_EQ(read.id, "q");
  EXPECT_THAT(read.columns, testing::UnorderedElementsAreArray(sample.columns));
}

TEST_F(Reader, AHeldShardIsReadFromMemory) {
  const auto trace = Trace::open(folder_);
  Trace::Scratch scratch, other;
  const auto before = trace.read(0, 0, trace.shard_rows(0), scratch);
  Bytes memory;
  trace.hold(0, memory);
  const auto held = trace.read(0, 0, trace.shard_rows(0), other);
  EXPECT_NE(held.topk_id.data(), before.topk_id.data());
  EXPECT_TRUE(std::ranges::equal(held.probs, before.probs));
  EXPECT_TRUE(std::ranges::equal(held.topk_id, before.topk_id));
  EXPECT_TRUE(std::ranges::equal(held.topk_weight, before.topk_weight));
  EXPECT_TRUE(std::ranges::equal(held.sample, before.sample));
  EXPECT_TRUE(std::ranges::equal(held.content, before.content));
  trace.release(0);
  EXPECT_EQ(trace.read(0, 0, 1, scratch).topk_id.data(), before.topk_id.data());
}

}  // namespace
}  // namespace committee::trace
