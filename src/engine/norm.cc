#include "engine/norm.h"

#include <atomic>
#include <limits>

#include "engine/ops.h"

namespace committee::engine {

void norm_rows(Machine& machine, const Matrix& x, int64_t first, int64_t rows,
               const std::vector<float>& weight, double eps, const Matrix& out) {
  constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  const int64_t n = static_cast<int64_t>(weight.size());
  std::atomic<int64_t> bad = kNone;
  machine.pool.for_ranges(rows, 32, [&](int64_t begin, int64_t end, int index) {
    float* normed = machine.worker(index).middle.reserve_as<float>(n);
    for (int64_t r = begin; r < end; ++r) {
      if (!rms_norm(x.floats(first + r), weight.data(), n, eps, normed)) {
        int64_t known = bad;
        while (first + r < known && !bad.compare_exchange_weak(known, first + r)) {
        }
      }
      store(normed, n, out.type, out.at(r));
    }
  });
  if (bad != kNone) throw NotFinite{bad, "hidden state"};
}

}  // namespace committee::engine
