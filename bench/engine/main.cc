// bench_engine: prefill of a full-size random checkpoint, as a share of the rate of one large oneDNN product
// in the same run.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <ctime>
#include <mutex>
#include <numeric>

#include "base/random.h"
#include "base/thread_pool.h"
#include "engine/engine.h"
#include "engine/matmul.h"
#include "shapes.h"

using namespace committee;
using namespace committee::engine;

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Processor time of all threads: on a machine that others use too it tells more than the clock.
double processor_now() {
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

struct Seconds {
  double clock = 0, processor = 0;
};

template <typename Work>
Seconds time_of(const Work& work) {
  const double clock = now(), processor = processor_now();
  work();
  return {now() - clock, processor_now() - processor};
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// Seconds of a FLOP in products of [256, 2048] by [2048, 2048], the fastest shape here, one a thread at a
// time: the roofline.
Seconds roofline(Compute compute, int threads) {
  constexpr int64_t kRows = 256, kSide = 2048;
  ThreadPool pool(threads);
  std::vector<Matmul> matmuls(static_cast<size_t>(threads));
  const size_t bytes = size_of(compute);
  std::vector<std::vector<std::byte>> a(matmuls.size()), b(matmuls.size());
  std::vector<std::vector<float>> c(matmuls.size());
  for (size_t t = 0; t < matmuls.size(); ++t) {
    a[t].assign(kRows * kSide * bytes, std::byte{0x3C});
    b[t].assign(kSide * kSide * bytes, std::byte{0x3C});
    c[t].resize(kRows * kSide);
  }
  const Product product{
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

// Multiplications and additions (two each) of a pass over rows that see `keys` keys on average; `asked` of
// them go through the last layer's attention, `scored` through its feed-forward.
double flops_of(const model::ModelConfig& c, double rows, double keys, double asked, double scored) {
  const model::Attention& a = c.attention;
  const double d = c.d_model, heads = a.heads * (a.qk_dim + a.v_dim);
  double key_side = 2 * d * a.kv_heads * (a.qk_dim + a.v_dim);
  if (a.latent) {
    key_side = 2 * d * (a.latent->kv_rank + a.latent->rope_dim) +
               2.0 * a.latent->kv_rank * a.heads * (a.latent->nope_dim + a.v_dim);
  }
  const double query_side = 2 * keys * heads + 2 * d * heads;
  const double routed = 6 * d * (c.router.top_k * c.expert_width + c.shared_width),
               router = 2 * d * c.router.experts;
  double flops = 0;
  for (int l = 0; l < c.layers; ++l) {
    const bool last = l + 1 == c.layers;
    flops += rows * key_side + (last ? asked : rows) * query_side;
    if (c.is_moe(l)) flops += (last ? asked : rows) * router;
    flops += (last ? scored : rows) * (c.is_moe(l) ? routed : 6 * d * c.dense_width);
  }
  return flops + scored * 2 * d * c.vocab;
}

// Sums what it is given, so that nothing is left out.
class Sum : public model::RoutingSink {
 public:
  void begin_chunk(const model::RecordedRows&) override {}
  void record(const model::RoutingBatch& batch) override {
    const double sum = std::accumulate(batch.probs.begin(), batch.probs.end(), 0.0);
    const std::lock_guard lock(mutex_);
    total_ += sum;
    rows_ += batch.rows;
  }
  void end_chunk() override {}
  // Distributions sum to 1.
  bool sound() const { return rows_ > 0 && std::abs(total_ / static_cast<double>(rows_) - 1) < 1e-4; }

 private:
  std::mutex mutex_;
  double total_ = 0;
  int64_t rows_ = 0;
};

struct Options {
  std::string shape = "olmoe", folder, positions = "all", compute = "bf16";
  int layers = 2, tokens = 2048, prompts = 16, shared = 0, threads = 2, repeat = 5;
  size_t memory_mb = 0;
  bool scores = false;
};

std::vector<Sequence> make_prompts(const Options& o, int vocab) {
  Random random(1);
  std::vector<int32_t> stem(static_cast<size_t>(o.shared));
  for (int32_t& token : stem) token = static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab)));
  std::vector<Sequence> sequences;
  for (int p = 0; p < o.prompts; ++p) {
    Sequence sequence;
    sequence.sample = p;
    sequence.tokens = stem;
    const int length = o.tokens / o.prompts;
    while (static_cast<int>(sequence.tokens.size()) < length)
      sequence.tokens.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab))));
    for (int i = o.positions == "all" ? 0 : length - 1; i < length; ++i) sequence.recorded.push_back(i);
    sequence.wants_logits = o.scores;
    sequences.push_back(std::move(sequence));
  }
  return sequences;
}

void run(const Options& o) {
  const double opening = now();
  const auto model = model::Model::open(bench::make_checkpoint(o.shape, o.layers, o.folder));
  const Compute compute = o.compute == "bf16" ? Compute::kBF16 : Compute::kF32;
  Engine engine(model, {.compute = compute, .threads = o.threads, .memory = o.memory_mb << 20});
  const double opened = now();
  const auto prompts = make_prompts(o, model.config().vocab);
  std::vector<double> seconds, processor, share, busy_share;
  const double keys = (o.tokens / o.prompts + 1) / 2.0;  // of a prompt without sharing
  Work work;
  for (int r = 0; r <= o.repeat; ++r) {
    Sum sum;
    const Variant variant{{}, &sum, [](size_t, std::span<const float>) {}};
    const Seconds peak = roofline(compute, o.threads);
    const Seconds took = time_of([&] { work = engine.prefill(prompts, std::span(&variant, 1), {}); });
    if (!sum.sound()) throw Error("the recorded distributions do not sum to 1");
    if (r == 0 && o.repeat > 0) continue;  // reads the weights
    const double rows = static_cast<double>(work.rows), asked = o.positions == "all" ? rows : o.prompts;
    const double flops = flops_of(model.config(), rows, keys, asked, o.scores ? o.prompts : 0);
    seconds.push_back(took.clock);
    processor.push_back(took.processor);
    share.push_back(flops * peak.clock / took.clock);
    busy_share.push_back(flops * peak.processor / took.processor);
  }
  const double took = median(seconds);
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print("{} {} layers, {} tokens in {} prompts, {} rows in {} chunks, {} threads, {}\n", o.shape,
             o.layers, work.tokens, o.prompts, work.rows, work.chunks, o.threads, o.compute);
  fmt::print(
      "  {:.3f} s, {:.0f} tokens/s, {:.3f} of the roofline; processor {:.3f} s, {:.3f}; opened in {:.3f} s, "
      "peak {:.0f} MB\n",
      took, static_cast<double>(work.tokens) / took, median(share), median(processor), median(busy_share),
      opened - opening, static_cast<double>(usage.ru_maxrss) / 1024);
  double sum = 0;
  for (const auto& [name, part] : work.seconds) sum += part;
  for (const auto& [name, part] : work.seconds)
    fmt::print("  {:17} {:7.1f} ms  {:4.1f}%\n", name, part * 1e3, 100 * part / seconds.back());
  fmt::print("  {:17} {:7.1f} ms\n", "rest", (seconds.back() - sum) * 1e3);
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("Prefill of a full-size random checkpoint");
  app.add_option("--shape", o.shape, "olmoe, qwen3 or deepseek")->capture_default_str();
  app.add_option("--layers", o.layers)->capture_default_str();
  app.add_option("--folder", o.folder, "where the checkpoint lies or is written")->required();
  app.add_option("--tokens", o.tokens, "of all prompts")->capture_default_str();
  app.add_option("--prompts", o.prompts)->capture_default_str();
  app.add_option("--shared", o.shared, "tokens that all prompts begin with")->capture_default_str();
  app.add_option("--positions", o.positions)->check(CLI::IsMember({"all", "last"}))->capture_default_str();
  app.add_flag("--scores", o.scores, "next-token distributions too");
  app.add_option("--compute", o.compute)->check(CLI::IsMember({"bf16", "f32"}))->capture_default_str();
  app.add_option("--threads", o.threads)->capture_default_str();
  app.add_option("--memory", o.memory_mb, "MB; 0: what there is")->capture_default_str();
  app.add_option("--repeat", o.repeat)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    run(o);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
