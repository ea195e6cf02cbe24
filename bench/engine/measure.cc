#include "measure.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>

#include "base/thread_pool.h"
#include "engine/matmul.h"

namespace committee::bench {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double processor_now() {
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

Seconds roofline(engine::Compute compute, int threads) {
  constexpr int64_t kRows = 256, kSide = 2048;
  ThreadPool pool(threads);
  std::vector<engine::Matmul> matmuls;
  for (int t = 0; t < threads; ++t) matmuls.emplace_back(engine::Matmul::Kernels::kOneDnn);
  const size_t bytes = engine::size_of(compute);
  std::vector<std::vector<std::byte>> a(matmuls.size()), b(matmuls.size());
  std::vector<std::vector<float>> c(matmuls.size());
  for (size_t t = 0; t < matmuls.size(); ++t) {
    a[t].assign(kRows * kSide * bytes, std::byte{0x3C});
    b[t].assign(kSide * kSide * bytes, std::byte{0x3C});
    c[t].resize(kRows * kSide);
  }
  const engine::Product product{
      .m = kRows, .n = kSide, .k = kSide, .lda = kSide, .ldb = kSide, .ldc = kSide, .input = compute};
  constexpr int kRepeats = 16;
  const double flops = threads * kRepeats * 2.0 * kRows * kSide * kSide;
  std::vector<double> clock, processor;
  for (int round = 0; round < 5; ++round) {
    const Seconds took = time_of([&] {
      pool.for_each(threads, [&](int64_t t, int) {
        const size_t i = static_cast<size_t>(t);
        for (int r = 0; r < kRepeats; ++r) matmuls[i].run(product, a[i].data(), b[i].data(), c[i].data());
      });
    });
    clock.push_back(took.clock / flops);
    processor.push_back(took.processor / flops);
  }
  return {median(clock), median(processor)};
}

}  // namespace committee::bench
