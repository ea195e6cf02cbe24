#include "trace/merge.h"

#include <gmock/gmock.h>

#include "trace/fingerprint.h"
#include "trace_testing.h"

namespace committee::trace {
namespace {

using testing::HasSubstr;

constexpr ShardLimits kSmallShards = {.bytes = 2400, .samples = 9};

// Samples [first, end) of a run as a run of its own.
FakeRun part(const FakeRun& run, size_t first, size_t end) {
  FakeRun result;
  result.manifest = run.manifest;
  DataFingerprint fingerprint;
  for (size_t i = first; i < end; ++i) {
    fingerprint.add(run.samples[i].id);
    result.samples.push_back(run.samples[i]);
    result.position.push_back(run.position[i]);
    result.token.push_back(run.token[i]);
    result.probs.push_back(run.probs[i]);
    result.weights.push_back(run.weights[i]);
    result.ids.push_back(run.ids[i]);
  }
  result.manifest.recording.data_fingerprint = fingerprint.text();
  return result;
}

class Merge : public testing::Test {
 protected:
  void expect_merged(const FakeRun& run) {
    const auto whole = files_of(write_trace(part(run, 0, 30), test_folder("whole"), 30, kSmallShards));
    const std::vector<std::filesystem::path> inputs = {
        write_trace(part(run, 0, 11), test_folder("a"), 5, kSmallShards),
        write_trace(part(run, 11, 12), test_folder("b"), 5),
        write_trace(part(run, 12, 30), test_folder("c"), 7)};
    const auto output = test_folder("merged");
    EXPECT_EQ(merge_traces(inputs, output, Existing::kRefuse, kSmallShards).samples, 30);
    EXPECT_EQ(files_of(output), whole);
  }
};

TEST_F(Merge, EqualsOneCaptureOfAll) { expect_merged(fake_run(30)); }

TEST_F(Merge, KeepsHalfPrecision) {
  auto run = fake_run(30);
  run.manifest.recording.dtype = FloatType::kF16;
  expect_merged(run);
}

TEST_F(Merge, KeepsRecordsOfTopKOnly) {
  auto run = fake_run(30);
  run.manifest.recording.record = Record::kTopK;
  run.manifest.recording.executed = Executed::kIds;
  expect_merged(run);
}

TEST_F(Merge, DifferencesAndDuplicatesAreNamed) {
  const auto run = fake_run(30);
  const auto output = test_folder("merged");
  const auto a = write_trace(part(run, 0, 11), test_folder("a"));
  const auto refused = [&](const FakeRun& other) {
    const auto b = write_trace(other, test_folder("b"));
    const auto sentence = error_of([&] {
      merge_traces(std::vector{a, b}, output, Existing::kRefuse, kSmallShards);
    });
    EXPECT_FALSE(std::filesystem::exists(output));
    return sentence;
  };
  EXPECT_THAT(refused(part(run, 10, 20)), HasSubstr("both have the sample \"q10\""));
  auto other = part(run, 11, 20);
  other.manifest.model.fingerprint = "f";
  EXPECT_THAT(refused(other), HasSubstr("cannot be merged: the model's fingerprint was"));
  other = part(run, 11, 20);
  other.manifest.recording.options[1].second = "128";
  EXPECT_THAT(refused(other), HasSubstr("the option max-tokens was \"64\" and is now \"128\""));
  EXPECT_THAT(error_of([&] { merge_traces(std::vector{a}, a, Existing::kOverwrite); }),
              HasSubstr("into itself"));
}

TEST_F(Merge, DamagedShardsAreFoundAndNothingIsLeft) {
  const auto run = fake_run(30);
  const auto a = write_trace(part(run, 0, 11), test_folder("a"));
  const auto b = write_trace(part(run, 11, 30), test_folder("b"));
  auto text = read_text(b / "records-00001.safetensors");
  text[1030] ^= 1;
  write_text(b / "records-00001.safetensors", text);
  const auto output = test_folder("merged");
  EXPECT_THAT(error_of([&] {
                merge_traces(std::vector{a, b}, output, Existing::kRefuse);
              }),
              HasSubstr("checksum"));
  EXPECT_FALSE(std::filesystem::exists(output));
}

TEST(DataFingerprint, KnowsOrderAndJoins) {
  const auto of = [](std::vector<std::string> samples) {
    DataFingerprint fingerprint;
    for (const auto& sample : samples) fingerprint.add(sample);
    return fingerprint.text();
  };
  EXPECT_NE(of({"a", "b"}), of({"b", "a"}));
  EXPECT_NE(of({"a", "b"}), of({"ab"}));
  DataFingerprint joined;
  EXPECT_TRUE(joined.append(of({"a", "b"}), 2));
  EXPECT_TRUE(joined.append(of({"c"}), 1));
  EXPECT_EQ(joined.text(), of({"a", "b", "c"}));
  EXPECT_FALSE(joined.append("not hexadecimal!", 1));
}

}  // namespace
}  // namespace committee::trace
