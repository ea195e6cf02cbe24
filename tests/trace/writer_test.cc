#include "trace/writer.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "trace/folder.h"
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
  const auto whole = files_of(write_trace(run, test_folder("whole"), 40, kSmallShards));
  for (const int chunk : {1, 2, 5, 13}) {
    EXPECT_EQ(files_of(write_trace(run, test_folder("parts"), chunk, kSmallShards)), whole) << chunk;
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

}  // namespace
}  // namespace committee::trace
