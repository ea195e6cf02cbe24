#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/error.h"

namespace committee {
namespace {

TEST(ThreadPool, EveryIndexOnceWhateverTheThreads) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (const int64_t n : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(n));
      std::vector<std::atomic<int>> busy(static_cast<size_t>(threads));
      std::atomic<bool> wrong = false;
      pool.for_each(n, [&](int64_t i, int worker) {
        if (worker < 0 || worker >= threads || busy[static_cast<size_t>(worker)].exchange(1) != 0)
          wrong = true;
        ++seen[static_cast<size_t>(i)];
        busy[static_cast<size_t>(worker)] = 0;
      });
      EXPECT_FALSE(wrong);
      for (const auto& count : seen) EXPECT_EQ(count, 1);
    }
  }
}

TEST(ThreadPool, WorkersRunAtTheSameTime) {
  ThreadPool pool(3);
  std::atomic<int> arrived = 0;
  // Each call waits for the other two: with fewer threads this would never end.
  pool.for_each(3, [&](int64_t, int) {
    ++arrived;
    while (arrived < 3) std::this_thread::yield();
  });
  EXPECT_EQ(arrived, 3);
}

TEST(ThreadPool, RangesCoverAllInGrains) {
  ThreadPool pool(4);
  for (const int64_t n : {0, 1, 9, 10, 11, 103}) {
    std::vector<std::atomic<int>> seen(static_cast<size_t>(n));
    std::atomic<bool> wrong = false;
    pool.for_ranges(n, 10, [&](int64_t begin, int64_t end, int) {
      if (begin % 10 != 0 || end - begin > 10 || end <= begin || end > n) wrong = true;
      for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
    });
    EXPECT_FALSE(wrong);
    for (const auto& count : seen) EXPECT_EQ(count, 1);
  }
}

TEST(ThreadPool, AnExceptionOfAnyWorkerArrivesAndThePoolGoesOn) {
  for (const int threads : {1, 4}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 50; ++round) {
      std::atomic<int> ran = 0;
      try {
        pool.for_each(1000, [&](int64_t i, int) {
          ++ran;
          if (i == 3) throw Error("item {}", i);
        });
        FAIL() << "no exception";
      } catch (const Error& problem) {
        EXPECT_STREQ(problem.what(), "item 3");
      }
      EXPECT_GE(ran, 4);
      std::atomic<int> after = 0;
      pool.for_each(100, [&](int64_t, int) { ++after; });
      EXPECT_EQ(after, 100);
    }
  }
}

TEST(ThreadPool, OneExceptionOfManyArrives) {
  ThreadPool pool(4);
  EXPECT_THROW(pool.for_each(100, [](int64_t, int) { throw std::runtime_error("each"); }),
               std::runtime_error);
  EXPECT_NO_THROW(pool.for_each(1, [](int64_t, int) {}));
}

TEST(ThreadPool, TheExceptionOfTheLowestIndexArrives) {
  ThreadPool pool(2);
  std::atomic<bool> second_fails = false;
  try {
    pool.for_each(2, [&](int64_t i, int) {
      if (i == 1) second_fails = true;
      while (!second_fails) std::this_thread::yield();
      throw Error("item {}", i);
    });
    FAIL() << "no exception";
  } catch (const Error& problem) {
    EXPECT_STREQ(problem.what(), "item 0");
  }
}

// Sanitizers keep memory of their own and do not live with a limit on it.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(ThreadPoolDeathTest, TooManyThreadsAreAnError) {
  const auto start_too_many = [] {
    const rlimit limit{256 << 20, 256 << 20};
    setrlimit(RLIMIT_AS, &limit);
    try {
      ThreadPool pool(10000);
    } catch (const Error&) {
      std::exit(7);
    }
    std::exit(0);
  };
  EXPECT_EXIT(start_too_many(), testing::ExitedWithCode(7), "");
}
#endif

}  // namespace
}  // namespace committee
