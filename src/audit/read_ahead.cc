#include "audit/read_ahead.h"

#include <algorithm>

namespace committee::audit {
namespace {

constexpr int64_t kAhead = 4;  // shards in the page cache beyond those at hand

// How many bytes of shards to hold, or 0.
int64_t budget_for(const SampleReader& reader, size_t cache) {
  const auto& shards = reader.trace().manifest().shards;
  size_t all = 0;
  int64_t largest = 0;
  for (const auto& shard : shards) {
    all += static_cast<size_t>(shard.bytes);
    largest = std::max(largest, shard.bytes);
  }
  const int64_t budget = reader.memory() / 4;
  // What fits is worth keeping in the page cache for the next audit.
  if (all <= cache) return 0;
  return largest <= budget / 4 ? budget : 0;
}

}  // namespace

ReadAhead::ReadAhead(const SampleReader& reader, size_t cache)
    : reader_(reader),
      trace_(reader.trace()),
      budget_(budget_for(reader, cache)),
      held_(static_cast<size_t>(trace_.shards())),
      fetching_([this](const std::stop_token& stop) {
        run(stop, kFetched, [this](int64_t shard) { fetch(shard); });
      }),
      preparing_([this](const std::stop_token& stop) {
        run(stop, kPrepared, [this](int64_t shard) { trace_.prepare(shard); });
      }) {}

ReadAhead::~ReadAhead() {
  for (std::jthread* thread : {&fetching_, &preparing_}) {
    thread->request_stop();
    thread->join();
  }
  for (int64_t shard = passed_; shard < done_[kFetched]; ++shard) let_go(shard);
}

void ReadAhead::want(int64_t first, int64_t last) {
  const std::lock_guard lock(mutex_);
  wanted_ = reader_.shard_of(last) + 1;
  for (; passed_ < reader_.shard_of(first); ++passed_) let_go(passed_);
  changed_.notify_all();
}

bool ReadAhead::ready() {
  const std::lock_guard lock(mutex_);
  return done_[kPrepared] >= wanted_;
}

void ReadAhead::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return done_[kPrepared] >= wanted_; });
}

void ReadAhead::run(const std::stop_token& stop, Stage stage, const std::function<void(int64_t)>& work) {
  for (int64_t shard = 0; shard < trace_.shards(); ++shard) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, stop, [&] { return may_begin(stage, shard); });
      if (stop.stop_requested()) return;
      if (stage == kFetched) taken_ += bytes_of(shard);
    }
    try {
      work(shard);
    } catch (const std::exception&) {
      // Its reader finds the same.
    }
    const std::lock_guard lock(mutex_);
    done_[stage] = shard + 1;
    changed_.notify_all();
  }
}

bool ReadAhead::may_begin(Stage stage, int64_t shard) const {
  if (stage == kPrepared) return shard < done_[kFetched];
  if (shard < wanted_) return true;
  return budget_ > 0 ? taken_ + bytes_of(shard) <= budget_ : shard < wanted_ + kAhead;
}

void ReadAhead::fetch(int64_t shard) {
  if (budget_ == 0 || trace_.in_memory(shard) > 0.5) return trace_.will_need(shard);
  Bytes memory;
  {
    const std::lock_guard lock(mutex_);
    if (!spare_.empty()) {
      memory = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  trace_.hold(shard, memory);
  const std::lock_guard lock(mutex_);
  held_[static_cast<size_t>(shard)] = std::move(memory);
}

void ReadAhead::let_go(int64_t shard) {
  Bytes& memory = held_[static_cast<size_t>(shard)];
  taken_ -= bytes_of(shard);
  if (memory.data() == nullptr) return;
  trace_.release(shard);
  spare_.push_back(std::move(memory));
}

int64_t ReadAhead::bytes_of(int64_t shard) const {
  return trace_.manifest().shards[static_cast<size_t>(shard)].bytes;
}

}  // namespace committee::audit
