#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace committee {

// A fixed set of threads, the caller's own among them. Work is split by index and taken dynamically; results
// must not depend on who did what.
class ThreadPool {
 public:
  // threads ≥ 1; 1 runs everything in the caller. Throws Error where the machine cannot start as many.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return size_; }

  // Calls work(i, worker) once for every i in [0, n), worker in [0, size()), each worker one call at a time,
  // indices handed out in ascending order; returns when all are done. What `work` throws for the lowest index
  // that it fails on is rethrown here, whatever the threads; later indices may be skipped. Not reentrant:
  // `work` must not call it.
  void for_each(int64_t n, const std::function<void(int64_t i, int worker)>& work);

  // Splits [0, n) into ranges of at most `grain` and calls work(begin, end, worker).
  void for_ranges(int64_t n, int64_t grain,
                  const std::function<void(int64_t begin, int64_t end, int worker)>& work);

 private:
  struct State;
  int size_;
  std::unique_ptr<State> state_;
};

}  // namespace committee
