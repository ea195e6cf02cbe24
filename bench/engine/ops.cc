// bench_ops: the engine's parts beside the roofline, single products in oneDNN (counter FLOP/s), on one
// thread.
#include "engine/ops.h"

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "engine/attention.h"
#include "engine/experts.h"
#include "engine/matmul.h"

using namespace committee;
using namespace committee::engine;

namespace {

std::vector<float> random_floats(int64_t count, double range) {
  Random random(1);
  std::vector<float> x(static_cast<size_t>(count));
  for (float& value : x) value = static_cast<float>((2 * random.uniform() - 1) * range);
  return x;
}

std::vector<std::byte> random_values(int64_t count, Compute type, double range) {
  std::vector<std::byte> bytes(static_cast<size_t>(count) * size_of(type));
  store(random_floats(count, range).data(), count, type, bytes.data());
  return bytes;
}

void count_flops(benchmark::State& state, double flops) {
  state.counters["FLOP/s"] = benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
}

Compute format_of(const benchmark::State& state) { return state.range(0) ? Compute::kBF16 : Compute::kF32; }

bool skipped(benchmark::State& state) {
  if (can_compute(format_of(state))) return false;
  state.SkipWithError("this processor cannot multiply bf16");
  return true;
}

// Weights where they lie, [n, k], more of them than a cache holds; by our kernel or oneDNN's.
void product(benchmark::State& state) {
  if (skipped(state)) return;
  const Compute type = format_of(state);
  const int64_t m = state.range(1), n = state.range(2), k = state.range(3),
                copies = std::max<int64_t>(1, (64 << 20) / (n * k));
  const auto a = random_values(m * k, type, 1), b = random_values(copies * n * k, type, 1);
  std::vector<float> c(static_cast<size_t>(m * n));
  const Product shape{.m = m, .n = n, .k = k, .lda = k, .ldb = k, .ldc = n, .input = type};
  Matmul matmul(state.range(4) ? Matmul::Kernels::kOneDnn : Matmul::Kernels::kBest);
  int64_t copy = 0;
  for (auto unused : state) {
    matmul.run(shape, a.data(), b.data() + static_cast<size_t>(copy * n * k) * size_of(type), c.data());
    copy = (copy + 1) % copies;
  }
  count_flops(state, 2.0 * static_cast<double>(m * n * k));
}
BENCHMARK(product)
    ->ArgNames({"bf16", "m", "n", "k", "onednn"})
    ->ArgsProduct({{1, 0}, {1, 8, 32, 128, 192, 256, 1024}, {2048}, {1024, 2048}, {0, 1}});

// OLMoE's experts, gate, up, SwiGLU, down, gathering and adding up included; loads of 128 to 384 rows an
// expert.
void experts(benchmark::State& state) {
  if (skipped(state)) return;
  constexpr int64_t kExperts = 16, kModel = 2048, kWidth = 1024;
  const Compute type = format_of(state);
  const model::DType dtype = type == Compute::kBF16 ? model::DType::kBF16 : model::DType::kF32;
  const auto weights = random_values(3 * kWidth * kModel * kExperts, type, 1 / std::sqrt(kModel));
  std::vector<model::GatedFeedForward> all;
  const size_t bytes = static_cast<size_t>(kWidth * kModel) * size_of(type);
  for (size_t e = 0; e < kExperts; ++e) {
    const std::byte* at = weights.data() + 3 * e * bytes;
    all.push_back({{"gate", dtype, {kWidth, kModel}, at, bytes},
                   {"up", dtype, {kWidth, kModel}, at + bytes, bytes},
                   {"down", dtype, {kModel, kWidth}, at + 2 * bytes, bytes}});
  }
  std::vector<uint16_t> ids;
  for (int64_t e = 0; e < kExperts; ++e)
    ids.insert(ids.end(), static_cast<size_t>(128 + 256 * e / (kExperts - 1)), static_cast<uint16_t>(e));
  Random(1).shuffle(std::span(ids));
  const int64_t rows = static_cast<int64_t>(ids.size()) / 8;
  const std::vector<float> weight(ids.size(), 0.125f);
  auto x = random_values(rows * kModel, type, 1);
  std::vector<float> hidden(static_cast<size_t>(rows * kModel));
  Machine machine(type, 1);
  Bytes outputs;
  for (auto unused : state)
    add_experts(machine, all, {x.data(), type, kModel}, {rows, 8, ids.data(), weight.data()},
                {hidden.data(), Compute::kF32, kModel}, outputs);
  if (!all_finite(hidden.data(), rows * kModel)) throw Error("the experts' output is not finite");
  count_flops(state, 6.0 * static_cast<double>(rows * 8 * kModel * kWidth));
}
BENCHMARK(experts)->ArgNames({"bf16"})->Arg(1)->Arg(0)->Unit(benchmark::kMillisecond);

// One causal prompt, 16 heads of 128.
void attention(benchmark::State& state) {
  if (skipped(state)) return;
  const Compute type = format_of(state);
  const int64_t rows = state.range(1), heads = 16, dim = 128, width = heads * dim;
  auto q = random_values(rows * width, type, 1), k = random_values((heads * rows + kKeySlack) * dim, type, 1);
  std::vector<std::byte> out(q.size());
  const std::vector<QuerySpan> spans = {{0, rows, {}, 0, 0}};
  const HeadRows keys{{k.data(), type, dim}, rows * dim};
  Machine machine(type, 1);
  for (auto unused : state)
    attend(machine, {16, 16, 128, 128, 0.088}, spans, {q.data(), type, width}, keys, keys,
           {out.data(), type, width});
  count_flops(state, 2.0 * static_cast<double>(rows * (rows + 1) * width));
}
BENCHMARK(attention)
    ->ArgNames({"bf16", "rows"})
    ->ArgsProduct({{1, 0}, {128, 1024, 4096}})
    ->Unit(benchmark::kMillisecond);

void rms_norm_row(benchmark::State& state) {
  const std::vector<float> x = random_floats(2048, 1), weight = random_floats(2048, 1);
  std::vector<float> out(2048);
  for (auto unused : state)
    benchmark::DoNotOptimize(rms_norm(x.data(), weight.data(), 2048, 1e-5, out.data()));
}
BENCHMARK(rms_norm_row);

void silu_mul_row(benchmark::State& state) {
  const std::vector<float> gate = random_floats(1024, 4), up = random_floats(1024, 1);
  std::vector<uint16_t> out(1024);
  for (auto unused : state) {
    silu_mul(gate.data(), up.data(), 1024, Compute::kBF16, out.data());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(silu_mul_row);

void softmax_block_row(benchmark::State& state) {
  const std::vector<float> scores = random_floats(256, 10);
  std::vector<uint16_t> out(256);
  for (auto unused : state)
    benchmark::DoNotOptimize(
        exp_row(scores.data(), 0.1f, max_of(scores.data(), 256) * 0.1f, 256, Compute::kBF16, out.data()));
}
BENCHMARK(softmax_block_row);

}  // namespace

BENCHMARK_MAIN();
