#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "trace_testing.h"

namespace committee::trace {
namespace {

using testing::HasSubstr;

constexpr ShardLimits kSmallShards = {.bytes = 2400, .samples = 9};

std::filesystem::path begin_trace(const FakeRun& run, const std::filesystem::path& folder, int samples) {
  const auto writer = TraceWriter::create(folder, run.manifest, run.rows(), Existing::kRefuse, kSmallShards);
  deliver_chunk(run, *writer, 0, samples);
  return folder;
}

void finish_trace(const FakeRun& run, const std::filesystem::path& folder, int chunk_samples = 11) {
  const auto writer = TraceWriter::resume(folder, run.manifest, run.rows(), kSmallShards);
  deliver(run, *writer, chunk_samples);
  writer->finish();
}

TEST(Resume, GoesOnAfterTheLastWholeShard) {
  const auto run = fake_run(30);
  const auto whole = files_of(write_trace(run, test_folder("whole"), 30, kSmallShards));
  const auto folder = begin_trace(run, test_folder(), 20);
  EXPECT_THAT(error_of([&] { Trace::open(folder); }), HasSubstr("not complete"));
  {
    const auto writer = TraceWriter::resume(folder, run.manifest, run.rows(), kSmallShards);
    EXPECT_GT(writer->samples_done(), 5);
    EXPECT_LE(writer->samples_done(), 20);
    EXPECT_TRUE(writer->is_done(0));
    EXPECT_FALSE(writer->is_done(29));
    EXPECT_THAT(error_of([&] { writer->add_samples(0, run.samples); }), HasSubstr("added before"));
  }
  finish_trace(run, folder);
  EXPECT_EQ(files_of(folder), whole);
}

TEST(Resume, BeginsWhereNothingWas) {
  const auto run = fake_run(12);
  finish_trace(run, test_folder("new"));
  const auto foreign = test_folder("foreign");
  write_text(foreign / "thesis.tex", "mine");
  EXPECT_THAT(error_of([&] { finish_trace(run, foreign); }), HasSubstr("holds other files"));
  EXPECT_EQ(read_text(foreign / "thesis.tex"), "mine");
}

TEST(Resume, ACompleteTraceIsLeftAlone) {
  const auto run = fake_run(12);
  const auto folder = write_trace(run, test_folder(), 7, kSmallShards);
  const auto before = files_of(folder);
  write_text(folder / "records-00001.json", "left by a kill after the manifest");
  const auto writer = TraceWriter::resume(folder, run.manifest, run.rows(), kSmallShards);
  EXPECT_EQ(writer->samples_done(), 12);
  EXPECT_EQ(writer->finish().samples, 12);
  EXPECT_EQ(files_of(folder), before);
}

TEST(Resume, ACompleteTraceIsMended) {
  const auto run = fake_run(30);
  const auto folder = write_trace(run, test_folder(), 30, kSmallShards);
  const auto before = files_of(folder);
  ASSERT_GT(before.size(), 5u);
  std::filesystem::resize_file(folder / "records-00002.safetensors", 1500);
  finish_trace(run, folder);
  EXPECT_EQ(files_of(folder), before);
}

TEST(Resume, SaysWhatChanged) {
  const auto run = fake_run(30);
  const auto folder = begin_trace(run, test_folder(), 20);
  const auto before = files_of(folder);
  const auto refused = [&](auto change) {
    auto other = run;
    change(other.manifest);
    return error_of([&] { finish_trace(other, folder); });
  };
  EXPECT_THAT(refused([](Manifest& m) { m.tool_version = "9"; }),
              HasSubstr("the tool version was \"test\" and is now \"9\""));
  EXPECT_THAT(refused([](Manifest& m) { m.model.fingerprint = "f"; }),
              HasSubstr("the model's fingerprint was"));
  EXPECT_THAT(refused([](Manifest& m) {
                m.model.moe_layers = {1, 2, 6};
              }),
              HasSubstr("MoE layers was \"1 2 5\""));
  EXPECT_THAT(refused([](Manifest& m) { m.recording.data_fingerprint = "d"; }),
              HasSubstr("the data's fingerprint"));
  EXPECT_THAT(refused([](Manifest& m) { m.recording.dtype = FloatType::kF16; }),
              HasSubstr("\"f32\" and is now \"f16\""));
  EXPECT_THAT(refused([](Manifest& m) { m.recording.options[0].second = "2"; }),
              HasSubstr("the option seed was \"1\" and is now \"2\""));
  EXPECT_THAT(refused([](Manifest& m) { m.recording.options.pop_back(); }),
              HasSubstr("the option max-tokens was \"64\" and is now not set"));
  EXPECT_THAT(refused([](Manifest& m) { m.recording.options.emplace_back("mask", "1:2"); }),
              HasSubstr("the option mask was \"not set\" and is now \"1:2\""));
  EXPECT_THAT(
      error_of([&] { TraceWriter::resume(folder, run.manifest, std::vector<int32_t>(30, 1), kSmallShards); }),
      HasSubstr("the data changed"));
  EXPECT_EQ(files_of(folder), before);
}

TEST(Resume, DamagedShardsAreRecordedAgain) {
  const auto run = fake_run(30);
  const auto whole = files_of(write_trace(run, test_folder("whole"), 30, kSmallShards));
  const auto folder = begin_trace(run, test_folder(), 25);
  ASSERT_TRUE(std::filesystem::remove(folder / "records-00001.safetensors"));
  auto text = read_text(folder / "records-00002.safetensors");
  text.back() ^= 1;
  write_text(folder / "records-00002.safetensors", text);
  finish_trace(run, folder);
  EXPECT_EQ(files_of(folder), whole);
}

// Runs `work` in a child that is killed at its `event`-th event; false where it ended before.
template <typename Work>
bool killed_at(int event, Work&& work) {
  const pid_t child = fork();
  if (child == 0) {
    try {
      work([count = 0, event]() mutable {
        if (count++ == event) ::kill(::getpid(), SIGKILL);
      });
    } catch (const std::exception&) {
      _exit(1);
    }
    _exit(0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
  return WIFSIGNALED(status);
}

TEST(Resume, AfterAKillAnywhereTheBytesAreTheSame) {
  const auto run = fake_run(24);
  const auto whole = files_of(write_trace(run, test_folder("whole"), 24, kSmallShards));
  const auto folder = test_folder();
  // Killed again and again in one folder: each attempt gets one event further than it can finish in.
  int kills = 0;
  for (int event = 0;; ++event) {
    const bool killed = killed_at(event, [&](auto on_event) {
      on_event();
      const auto writer = TraceWriter::resume(folder, run.manifest, run.rows(), kSmallShards);
      for (int first = 0; first < 24; first += 4) {
        on_event();
        deliver_chunk(run, *writer, first, first + 4);
      }
      on_event();
      writer->finish();
    });
    if (!killed) break;
    ++kills;
  }
  EXPECT_EQ(kills, 8);
  EXPECT_EQ(files_of(folder), whole);
}

TEST(Resume, AFullDiskIsAnErrorAndLosesNothing) {
  const auto run = fake_run(30);
  const auto whole = files_of(write_trace(run, test_folder("whole"), 30, kSmallShards));
  const auto folder = begin_trace(run, test_folder(), 12);
  const auto before = files_of(folder);
  // The limit on a file's size makes reserving space fail as a full disk does.
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 512, .rlim_max = old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto sentence = error_of([&] { finish_trace(run, folder); });
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(sentence, HasSubstr("cannot reserve space"));
  EXPECT_EQ(files_of(folder), before);
  finish_trace(run, folder);
  EXPECT_EQ(files_of(folder), whole);
}

TEST(Resume, AFolderThatCannotBeMadeIsNamed) {
  const auto run = fake_run(5);
  const auto file = test_folder("file");
  write_text(file, "a file");
  EXPECT_THAT(
      error_of([&] { TraceWriter::create(file / "out", run.manifest, run.rows(), Existing::kRefuse); }),
      HasSubstr("cannot create the folder"));
}

}  // namespace
}  // namespace committee::trace
