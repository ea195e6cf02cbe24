#include "base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"

namespace committee {

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable start, done;
  uint64_t generation = 0;
  int running = 0;
  bool stop = false;

  int64_t n = 0;
  const std::function<void(int64_t, int)>* work = nullptr;
  std::atomic<int64_t> next{0};
  std::exception_ptr problem;
  int64_t problem_at = 0;  // index that threw it
  std::vector<std::thread> threads;

  ~State() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    start.notify_all();
    for (auto& thread : threads) thread.join();
  }

  void take(int worker) {
    int64_t i = 0;
    try {
      while ((i = next.fetch_add(1, std::memory_order_relaxed)) < n) (*work)(i, worker);
    } catch (...) {
      next.store(n, std::memory_order_relaxed);
      const std::lock_guard lock(mutex);
      if (problem && problem_at < i) return;
      problem = std::current_exception();
      problem_at = i;
    }
  }

  void serve(int worker) {
    uint64_t seen = 0;
    std::unique_lock lock(mutex);
    for (;;) {
      start.wait(lock, [&] { return stop || generation != seen; });
      if (stop) return;
      seen = generation;
      lock.unlock();
      take(worker);
      lock.lock();
      if (--running == 0) done.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int threads) : size_(std::max(threads, 1)), state_(std::make_unique<State>()) {
  for (int worker = 1; worker < size_; ++worker) {
    try {
      state_->threads.emplace_back([state = state_.get(), worker] { state->serve(worker); });
    } catch (const std::system_error& problem) {
      throw Error("cannot start {} threads: {}", size_, problem.what());
    }
  }
}

ThreadPool::~ThreadPool() = default;

void ThreadPool::for_each(int64_t n, const std::function<void(int64_t, int)>& work) {
  if (n <= 0) return;
  State& state = *state_;
  {
    const std::lock_guard lock(state.mutex);
    state.n = n;
    state.work = &work;
    state.next.store(0, std::memory_order_relaxed);
    state.running = size_ - 1;
    ++state.generation;
  }
  state.start.notify_all();
  state.take(0);
  std::unique_lock lock(state.mutex);
  state.done.wait(lock, [&] { return state.running == 0; });
  if (state.problem) std::rethrow_exception(std::exchange(state.problem, nullptr));
}

void ThreadPool::for_ranges(int64_t n, int64_t grain,
                            const std::function<void(int64_t, int64_t, int)>& work) {
  grain = std::max<int64_t>(grain, 1);
  for_each((n + grain - 1) / grain,
           [&](int64_t i, int worker) { work(i * grain, std::min(n, (i + 1) * grain), worker); });
}

}  // namespace committee
