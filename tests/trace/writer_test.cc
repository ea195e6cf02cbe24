#include "trace/writer.h"

#include <gmock/gmock.h>

#include <thread>

#include "trace_testing.h"

namespace committee::trace {
namespace {

using testing::HasSubstr;

constexpr ShardLimits kSmallShards = {.bytes = 1200, .samples = 9};

// What the reader gives back, by sample.
void expect_equal(const FakeRun& run, const Trace& trace) {
  ASSERT_EQ(trace.samples().size(), run.samples.size());
  std::vector<std::vector<int32_t>> position(run.samples.size()), token(run.samples.size());
  std::vector<std::vector<float>> probs(run.samples.size()), weights(run.samples.size());
  std::vector<std::vector<uint16_t>> ids(run.samples.size());
  Trace::Scratch scratch;
  for (int64_t shard = 0; shard < trace.shards(); ++shard) {
    for (int64_t first = 0; first < trace.shard_rows(shard); first += 4) {
      const auto block =
          trace.read(shard, first, std::min<int64_t>(4, trace.shard_rows(shard) - first), scratch);
      const auto take = [&](auto& to, auto span, int64_t row) {
        const auto width = std::ssize(span) / block.rows;
        to.insert(to.end(), span.begin() + row * width, span.begin() + (row + 1) * width);
      };
      for (int64_t row = 0; row < block.rows; ++row) {
        const auto sample = static_cast<size_t>(block.sample[static_cast<size_t>(row)]);
        EXPECT_EQ(block.content[static_cast<size_t>(row)], position[sample].size() % 2);
        take(position[sample], block.position, row);
        take(token[sample], block.token, row);
        take(probs[sample], block.probs, row);
        take(weights[sample], block.topk_weight, row);
        take(ids[sample], block.topk_id, row);
      }
    }
    trace.verify(shard);
  }
  EXPECT_EQ(position, run.position);
  EXPECT_EQ(token, run.token);
  EXPECT_EQ(probs, run.probs);
  EXPECT_EQ(weights, run.weights);
  EXPECT_EQ(ids, run.ids);
  for (size_t i = 0; i < run.samples.size(); ++i) {
    const auto &wanted = run.samples[i], &found = trace.samples()[i];
    EXPECT_EQ(std::tie(wanted.id, wanted.domain, wanted.tokens, wanted.columns, wanted.answer,
                       wanted.answer_logprobs, wanted.argmax_token, wanted.outcome),
              std::tie(found.id, found.domain, found.tokens, found.columns, found.answer,
                       found.answer_logprobs, found.argmax_token, found.outcome));
  }
}

TEST(Writer, WhatIsWrittenIsReadBack) {
  const auto run = fake_run(40);
  const auto trace = Trace::open(write_trace(run, test_folder(), 7, kSmallShards));
  EXPECT_GT(trace.shards(), 4);
  expect_equal(run, trace);
  EXPECT_EQ(trace.manifest().domains, (std::vector<std::string>{"algebra", "drama, \"old\""}));
}

TEST(Writer, BytesDoNotDependOnChunks) {
  const auto run = fake_run(40);
  const ShardLimits limits = {.bytes = 3000, .samples = 20};
  const auto whole = files_of(write_trace(run, test_folder("whole"), 40, limits));
  for (const int chunk : {1, 5, 13}) {
    EXPECT_EQ(files_of(write_trace(run, test_folder("parts"), chunk, limits)), whole) << chunk;
  }
}

TEST(Writer, RowsAnnouncedButNotMadeLeaveNoGap) {
  const auto run = fake_run(40);
  const auto exact = files_of(write_trace(run, test_folder("exact"), 7));
  auto bound = run.rows();
  for (auto& rows : bound) rows += 3;
  const auto folder = test_folder("bound");
  const auto writer = TraceWriter::create(folder, run.manifest, bound, Existing::kRefuse);
  deliver(run, *writer, 7);
  writer->finish();
  EXPECT_EQ(files_of(folder), exact);
}

TEST(Writer, FillsRowsFromSeveralThreads) {
  auto run = fake_run(30);
  const auto one = files_of(write_trace(run, test_folder("one"), 30));
  const auto folder = test_folder("several");
  const auto writer = TraceWriter::create(folder, run.manifest, run.rows(), Existing::kRefuse);
  model::RecordedRows rows;
  std::vector<float> probs, weights;
  std::vector<uint16_t> ids;
  for (size_t sample = 0; sample < run.samples.size(); ++sample) {
    for (size_t row = 0; row < run.position[sample].size(); ++row) {
      rows.sample.push_back(static_cast<int32_t>(sample));
      rows.position.push_back(run.position[sample][row]);
      rows.token.push_back(run.token[sample][row]);
      rows.content.push_back(row % 2);
    }
    probs.insert(probs.end(), run.probs[sample].begin(), run.probs[sample].end());
    weights.insert(weights.end(), run.weights[sample].begin(), run.weights[sample].end());
    ids.insert(ids.end(), run.ids[sample].begin(), run.ids[sample].end());
  }
  writer->begin_chunk(rows);
  {
    std::vector<std::jthread> threads;
    for (int64_t row = 0; row < rows.size(); ++row) {
      threads.emplace_back([&, row] {
        const auto at = static_cast<size_t>(row);
        writer->record_rows({.first_row = row,
                             .rows = 1,
                             .probs = std::span(probs).subspan(at * 18, 18),
                             .topk_id = std::span(ids).subspan(at * 6, 6),
                             .topk_weight = std::span(weights).subspan(at * 6, 6)});
      });
    }
  }
  writer->end_chunk();
  writer->add_samples(0, run.samples);
  writer->finish();
  EXPECT_EQ(files_of(folder), one);
}

TEST(Writer, HalfPrecisionIsRounded) {
  auto run = fake_run(12);
  run.manifest.recording.dtype = FloatType::kF16;
  const auto trace = Trace::open(write_trace(run, test_folder()));
  Trace::Scratch scratch;
  const auto block = trace.read(0, 0, trace.shard_rows(0), scratch);
  std::vector<float> wanted;
  for (const auto& probs : run.probs) wanted.insert(wanted.end(), probs.begin(), probs.end());
  ASSERT_EQ(block.probs.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(block.probs[i], wanted[i], 0x1p-12);
}

TEST(Writer, RecordsWithoutDistributionsOrExecutedSets) {
  auto run = fake_run(12);
  run.manifest.recording.record = Record::kTopK;
  const auto ids = Trace::open(write_trace(run, test_folder("topk")));
  Trace::Scratch scratch;
  EXPECT_TRUE(ids.read(0, 0, 1, scratch).probs.empty());
  EXPECT_EQ(ids.read(0, 0, 1, scratch).topk_weight.size(), 6u);

  run.manifest.recording.record = Record::kFull;
  run.manifest.recording.executed = Executed::kNone;
  const auto shares = Trace::open(write_trace(run, test_folder("shares")));
  EXPECT_EQ(shares.read(0, 0, 1, scratch).probs.size(), 18u);
  EXPECT_TRUE(shares.read(0, 0, 1, scratch).topk_id.empty());
  EXPECT_TRUE(shares.read(0, 0, 1, scratch).topk_weight.empty());
}

TEST(Writer, AdaptiveSamplingMayStopInsideAShard) {
  auto run = fake_run(20);
  const auto folder = test_folder("stopped");
  const auto writer = TraceWriter::create(folder, run.manifest, run.rows(), Existing::kRefuse, kSmallShards);
  deliver_chunk(run, *writer, 0, 13);
  EXPECT_EQ(writer->finish().samples, 13);
  const auto first = fake_run(13);
  EXPECT_EQ(files_of(folder), files_of(write_trace(first, test_folder("planned"), 5, kSmallShards)));
}

TEST(Writer, RefusesRecordsThatDoNotFit) {
  const auto run = fake_run(12);
  const auto writer = TraceWriter::create(test_folder(), run.manifest, run.rows(), Existing::kRefuse);
  const std::vector<float> probs(6), weights(2);
  const std::vector<uint16_t> ids(2);
  const auto begin = [&](std::vector<int32_t> sample, std::vector<int32_t> position) {
    const size_t rows = sample.size();
    writer->begin_chunk({sample, position, std::vector<int32_t>(rows), std::vector<uint8_t>(rows)});
  };
  EXPECT_THAT(error_of([&] { begin({2, 2}, {1, 1}); }), HasSubstr("positions of sample 2 do not ascend"));
  EXPECT_THAT(error_of([&] { begin({2, 2, 2, 2, 2, 2}, {0, 1, 2, 3, 4, 5}); }), HasSubstr("more rows"));
  EXPECT_THAT(error_of([&] { begin({12}, {0}); }), HasSubstr("not one of the run's 12"));
  begin({2, 3}, {0, 0});
  EXPECT_THAT(error_of([&] { writer->record({0, 0, 1, probs, ids, {}}); }), HasSubstr("shape"));
  EXPECT_THAT(error_of([&] { writer->record({3, 0, 1, probs, ids, weights}); }), HasSubstr("shape"));
  EXPECT_THAT(error_of([&] { writer->record({0, 2, 1, probs, ids, weights}); }), HasSubstr("shape"));
  writer->record({0, 0, 1, probs, ids, weights});
  EXPECT_THAT(error_of([&] { writer->add_samples(0, run.samples); }), HasSubstr("before their chunk ended"));
  EXPECT_THAT(error_of([&] { writer->end_chunk(); }), HasSubstr("2 rows ended with 1 of 6"));
  EXPECT_THAT(error_of([&] { begin({3}, {7}); }), HasSubstr("sample 3 was recorded before"));
}

TEST(Writer, SamplesThatAreMissingAreNamed) {
  const auto run = fake_run(20);
  const auto writer =
      TraceWriter::create(test_folder(), run.manifest, run.rows(), Existing::kRefuse, kSmallShards);
  deliver_chunk(run, *writer, 0, 13);
  EXPECT_THAT(error_of([&] { writer->add_samples(15, std::span(run.samples).subspan(15, 1)); }),
              HasSubstr("was added where"));
  EXPECT_THAT(
      error_of([&] {
        TraceWriter::create(test_folder("none"), run.manifest, run.rows(), Existing::kRefuse)->finish();
      }),
      HasSubstr("no samples were recorded"));
}

TEST(Writer, ExistingFoldersAreRefusedOrLoseTheTraceOnly) {
  const auto run = fake_run(12);
  const auto folder = write_trace(run, test_folder());
  const auto before = files_of(folder);
  EXPECT_THAT(error_of([&] { TraceWriter::create(folder, run.manifest, run.rows(), Existing::kRefuse); }),
              HasSubstr("not empty"));
  EXPECT_EQ(files_of(folder), before);

  for (const char* name : {"notes.txt", "records-1.safetensors", "records-00001.safetensors.bak"}) {
    write_text(folder / name, "mine");
  }
  write_text(folder / "records-00007.safetensors", "of a longer trace");
  const auto other = fake_run(9, 2);
  const auto writer = TraceWriter::create(folder, other.manifest, other.rows(), Existing::kOverwrite);
  deliver(other, *writer, 4);
  writer->finish();
  auto after = files_of(folder);
  for (const char* name : {"notes.txt", "records-1.safetensors", "records-00001.safetensors.bak"}) {
    EXPECT_EQ(after.erase(name), 1u) << name;
  }
  EXPECT_EQ(after, files_of(write_trace(other, test_folder("fresh"))));
}

TEST(Writer, OneProcessAFolder) {
  const auto run = fake_run(12);
  const auto folder = test_folder();
  const auto writer = TraceWriter::create(folder, run.manifest, run.rows(), Existing::kRefuse);
  EXPECT_THAT(error_of([&] { TraceWriter::resume(folder, run.manifest, run.rows()); }),
              HasSubstr("another process is writing"));
  EXPECT_THAT(error_of([&] { TraceWriter::create(folder, run.manifest, run.rows(), Existing::kOverwrite); }),
              HasSubstr("another process is writing"));
  deliver(run, *writer, 12);
  writer->finish();
  EXPECT_FALSE(std::filesystem::exists(folder / "trace.lock"));
}

}  // namespace
}  // namespace committee::trace
