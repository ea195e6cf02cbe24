#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "audit/sample_reader.h"
#include "base/memory.h"

namespace committee::audit {

// Brings in and prepares the shards after those at hand in threads of its own, so that the disk works while
// others compute. What the page cache does not have of a trace of more than `cache` bytes goes past it, into
// a quarter of the reader's memory.
class ReadAhead {
 public:
  explicit ReadAhead(const SampleReader& reader, size_t cache = available_memory() / 2);
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // Asks for the samples [first, last]; later ones are read next, and those before are let go. Whatever is
  // wrong with a shard is left to its reader.
  void want(int64_t first, int64_t last);

  // Whether they are prepared; wait() returns when they are.
  bool ready();
  void wait();

 private:
  enum Stage : uint8_t { kFetched, kPrepared };
  void run(const std::stop_token& stop, Stage stage, const std::function<void(int64_t shard)>& work);
  bool may_begin(Stage stage, int64_t shard) const;
  void fetch(int64_t shard);
  void let_go(int64_t shard);
  int64_t bytes_of(int64_t shard) const;

  const SampleReader& reader_;
  const trace::Trace& trace_;
  int64_t budget_;  // of bytes to hold; 0: leave shards to the page cache
  std::mutex mutex_;
  std::condition_variable_any changed_;
  int64_t done_[2] = {};             // how many shards each stage has done with
  int64_t passed_ = 0, wanted_ = 0;  // shards that are let go, and that are asked for
  int64_t taken_ = 0;                // bytes of shards fetched and not let go
  std::vector<Bytes> held_;          // by shard
  std::vector<Bytes> spare_;
  std::jthread fetching_, preparing_;  // last, as they use the others
};

}  // namespace committee::audit
