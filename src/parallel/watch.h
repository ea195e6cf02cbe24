#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "parallel/communicator.h"

namespace committee::parallel {

// While ranks work, each on its own: rank 0 hears how far they are, takes what they send, and where one fails
// all stop at their next report. One at a time, made by all ranks. Each calls
// run(work), `work` calling report() and send(). Rank 0 listens on a thread of its own.
class Watch {
 public:
  // take(from, bytes): what others send to rank 0, on the listening thread. If it throws, the job has failed.
  using Take = std::function<void(int from, Payload bytes)>;
  Watch(Communicator& ranks, Take take);
  ~Watch();

  // How far this rank is, in the unit that all use. Throws SharedError where a rank has failed.
  void report(int64_t done);

  // From others than rank 0, on any one thread; returns when rank 0 has it.
  void send(std::span<const std::byte> bytes);

  // Rank 0: the sum of all ranks' reports.
  int64_t done() const;

  // Does this rank's work. Rank 0 then waits for all the others, calling `waiting` now and then. Throws
  // SharedError on rank 0 where any rank has failed, and on those that failed or heard of it.
  void run(const std::function<void()>& work, const std::function<void()>& waiting);

  // For work in which ranks wait for each other. A failure is known to rank 0 alone, where check() and end()
  // throw it as SharedError. end(): this rank is through; rank 0 waits until all are.
  void fail(const std::string& sentence);
  void end();
  void check() const;

 private:
  void say_ended();
  void wait_for_others(const std::function<void()>& waiting) const;
  void listen();
  void hear(Message message);
  void note(const std::string& sentence);

  Communicator& ranks_;
  Take take_;
  mutable std::mutex mutex_;
  std::vector<int64_t> done_;  // by rank
  std::string problem_;
  std::atomic<int> working_ = 0;  // ranks that have not ended, rank 0 left out
  std::atomic<bool> over_ = false;
  std::thread listener_;
};

}  // namespace committee::parallel
