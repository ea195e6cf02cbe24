#pragma once

#include <functional>
#include <vector>

#include "base/thread_pool.h"
#include "engine/buffer.h"
#include "engine/matmul.h"
#include "engine/stopwatch.h"

namespace committee::engine {

// What one thread of the pool works with: its products and scratch that is overwritten by every task.
struct Worker {
  Matmul matmul;
  Bytes weights, input, middle, output;
};

// The threads, and the number format they multiply in.
struct Machine {
  Machine(Compute format, int threads)
      : compute(format), pool(threads), workers(static_cast<size_t>(threads)) {}

  Compute compute;
  ThreadPool pool;
  std::vector<Worker> workers;
  Stopwatch stopwatch;
  std::function<void()> between_parts;  // of a layer, where not empty; may throw

  void part_done() const {
    if (between_parts) between_parts();
  }

  Worker& worker(int index) { return workers[static_cast<size_t>(index)]; }
};

}  // namespace committee::engine
