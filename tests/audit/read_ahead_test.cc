#include "audit/read_ahead.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"
#include "make_trace.h"

namespace committee::audit {
namespace {

using testing::MadeRow;
using testing::MadeSample;
using testing::MadeTrace;

// Five shards of which the last is not full.
MadeTrace made_trace() {
  MadeTrace made{.layers = 4, .experts = 64, .positions = "all", .samples = {}};
  Random random(5);
  for (int s = 0; s < 300; ++s) {
    MadeSample sample{.domain = s % 2 == 0 ? "even" : "odd", .subject = "any", .rows = {}};
    for (int r = 0; r < 2 + s % 3; ++r) {
      MadeRow row;
      for (int i = 0; i < made.layers * made.experts; ++i)
        row.probs.push_back(static_cast<float>(random.uniform()));
      sample.rows.push_back(row);
    }
    made.samples.push_back(sample);
  }
  return made;
}

// The kernel forgets a trace's files, but for pages that a mapping has touched.
void forget(const trace::Trace& trace) {
  for (const auto& shard : trace.manifest().shards) {
    const int file = ::open((trace.folder() / shard.file).c_str(), O_RDONLY);
    ::fdatasync(file);
    ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    ::close(file);
  }
}

int64_t largest_shard(const trace::Trace& trace) {
  int64_t largest = 0;
  for (const auto& shard : trace.manifest().shards) largest = std::max(largest, shard.bytes);
  return largest;
}

std::vector<double> routing_of(const SampleReader& reader, int64_t sample) {
  std::vector<double> routing(reader.layers() * reader.experts());
  trace::Trace::Scratch scratch;
  reader.read(sample, {0, reader.layers()}, {.routing = routing.data()}, scratch);
  return routing;
}

TEST(ReadAhead, WhatGoesPastThePageCacheIsTheSame) {
  const MadeTrace made = made_trace();
  const trace::Trace trace = made.write("read_ahead");
  const SampleReader plain(trace, Positions::kRecorded, 0);
  std::vector<std::vector<double>> expected;
  for (int64_t s = 0; s < plain.size(); ++s) expected.push_back(routing_of(plain, s));

  const trace::Trace again = trace::Trace::open(trace.folder());
  const SampleReader reader(again, Positions::kRecorded, 16 * largest_shard(trace));
  ASSERT_EQ(again.shards(), 5);
  plain.drop(0, plain.size());
  forget(again);
  // A file system in memory forgets nothing, and is read where it lies.
  const bool forgotten = again.in_memory(2) < 0.5;
  {
    ReadAhead ahead(reader, 0);
    for (int64_t s = 0; s < reader.size(); s += 50) {
      ahead.want(s, s + 49);
      ahead.wait();
      EXPECT_TRUE(ahead.ready());
      for (int64_t i = s; i < s + 50; ++i) EXPECT_EQ(routing_of(reader, i), expected[i]) << i;
    }
  }
  if (forgotten) {
    EXPECT_LT(again.in_memory(2), 0.5);
  }
  EXPECT_EQ(routing_of(reader, 0), expected[0]);
}

TEST(ReadAhead, MayBeLeftAtAnyPlace) {
  const trace::Trace trace = made_trace().write("read_ahead_left");
  const SampleReader reader(trace, Positions::kRecorded, 16 * largest_shard(trace));
  for (const int64_t last : {0, 70, 299}) {
    forget(trace);
    ReadAhead ahead(reader, 0);
    ahead.want(0, last);
  }
  forget(trace);
  const ReadAhead unused(reader, 0);
}

TEST(ReadAhead, ADamagedShardIsLeftToItsReader) {
  const trace::Trace trace = made_trace().write("read_ahead_damaged");
  {
    std::fstream file(trace.folder() / trace.manifest().shards[1].file, std::ios::in | std::ios::out);
    file.seekp(5000);
    file.put('\x7f');
  }
  const trace::Trace damaged = trace::Trace::open(trace.folder());
  const SampleReader reader(damaged, Positions::kRecorded, 16 * largest_shard(trace));
  forget(damaged);
  ReadAhead ahead(reader, 0);
  ahead.want(0, 70);
  ahead.wait();
  EXPECT_NO_THROW(routing_of(reader, 0));
  try {
    routing_of(reader, 70);
    ADD_FAILURE() << "accepted";
  } catch (const Error& problem) {
    EXPECT_THAT(problem.what(), ::testing::HasSubstr("the file is damaged"));
  }
}

}  // namespace
}  // namespace committee::audit
