// bench_audit resample [SAMPLES LAYERS EXPERTS DOMAINS REPLICATES]: bootstraps and permutations against the
// matrix products [2·REPLICATES, SAMPLES] x [SAMPLES, LAYERS·EXPERTS] alone, by the audit's own product
// kernel in float32. On THREADS (default 2); writes a trace under $TMPDIR and prints one line of CPU seconds.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "audit/audit.h"
#include "audit/replicate_kernels.h"
#include "audit_trace.h"
#include "base/thread_pool.h"

using namespace committee;
namespace fs = std::filesystem;

namespace {

// CPU seconds of all threads: ratios of them hold on a busy machine too.
double seconds_of(const std::function<void()>& work) {
  const std::clock_t begin = std::clock();
  work();
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

double peak_gib() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / (1 << 20);
}

int thread_count() {
  const char* threads = std::getenv("THREADS");
  return threads != nullptr ? std::atoi(threads) : 2;
}

trace::Trace make_trace(const bench::Shape& shape) {
  return bench::write_trace(fs::temp_directory_path() / "bench_audit_trace", shape, 1,
                            [](int domain, Random& random, std::vector<double>& logits) {
                              for (size_t i = 0; i < logits.size(); ++i) {
                                logits[i] =
                                    2 * random.uniform() + (i % 9 == static_cast<size_t>(domain) ? 1 : 0);
                              }
                            });
}

// The products [rows, N] x [N, E] for one layer, scaled to all of them.
double products(const bench::Shape& shape, int rows) {
  namespace kernels = audit::kernels;
  ThreadPool pool(thread_count());
  constexpr int64_t kWidth = kernels::kTileWidth, kColumns = 2 * kWidth, kRows = 96,
                    kDepth = kernels::kMostRows;
  std::vector<float> weights(static_cast<size_t>(kRows) * shape.samples, 1.0F);
  std::vector<float> records(static_cast<size_t>(shape.samples) * shape.experts, 0.5F);
  const int64_t strips = shape.experts / kColumns, blocks = (rows + kRows - 1) / kRows;
  std::vector<double> out(kRows * kColumns * pool.size());
  const double one = seconds_of([&] {
    pool.for_each(strips * blocks, [&](int64_t item, int worker) {
      for (int64_t first = 0; first < shape.samples; first += kDepth) {
        kernels::add_weighted_rows(
            {.tile = &records[item / blocks * shape.samples * kColumns + first * kWidth],
             .next_tile = static_cast<size_t>(shape.samples) * kWidth,
             .tiles = 2,
             .rows = static_cast<size_t>(std::min(kDepth, shape.samples - first)),
             .times = &weights[first],
             .times_stride = static_cast<size_t>(shape.samples),
             .count = kRows},
            &out[worker * kRows * kColumns], kColumns);
      }
    });
  });
  if (out[0] < 0) std::puts("negative");  // keeps the products from being optimised away
  return one * shape.layers;
}

int resample(int argc, char** argv) {
  auto number = [&](int at, int fallback) { return argc > at ? std::atoi(argv[at]) : fallback; };
  const bench::Shape shape{.samples = number(2, 14042),
                           .layers = number(3, 48),
                           .experts = number(4, 128),
                           .top_k = 8,
                           .domains = number(5, 9)};
  const int replicates = number(6, 1000);
  const trace::Trace trace = make_trace(shape);
  audit::AuditOptions options{.bootstrap = 0,
                              .permutations = 0,
                              .expert_shuffles = 0,
                              .threads = thread_count(),
                              .memory = int64_t{3} << 30};
  const double plain = seconds_of([&] { audit::audit(trace, options); });
  options.bootstrap = options.permutations = replicates;
  const double all = seconds_of([&] { audit::audit(trace, options); });
  options.silhouette_replicates = 0;
  const double without = seconds_of([&] { audit::audit(trace, options); });
  const double peak = peak_gib();
  const double product = products(shape, replicates * (1 + shape.domains));
  std::printf(
      "%lld x %d x %d, %d domains, %d + %d replicates: products alone %.1f s; observed %.1f s; audit %.1f s "
      "(%.2f times), without silhouette replicates %.1f s (%.2f times); peak %.2f GiB\n",
      static_cast<long long>(shape.samples), shape.layers, shape.experts, shape.domains, replicates,
      replicates, product, plain, all, all / product, without, without / product, peak);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "resample") return resample(argc, argv);
  std::fputs("bench_audit resample [SAMPLES LAYERS EXPERTS DOMAINS REPLICATES]\n", stderr);
  return 2;
}
