// Rows about rates: whole passes, experts alone, threads, attention, start-up.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/random.h"
#include "engine/experts.h"
#include "engine/ops.h"
#include "measure.h"
#include "memory_group.h"
#include "passes.h"
#include "rows.h"

namespace committee::bench {
namespace {

PassOptions options_of(const Setting& setting, const std::string& shape, int layers) {
  PassOptions options;
  options.shape = shape;
  options.layers = layers;
  options.models = setting.models;
  options.threads = setting.threads;
  options.repeat = setting.repeat;
  return options;
}

int layers_of(const std::string& shape) { return shape == "olmoe" ? 16 : shape == "deepseek" ? 3 : 2; }

void print_parts(const PassResult& result) {
  double sum = 0;
  for (const auto& [name, part] : result.work.seconds) sum += part;
  std::string text;
  for (const auto& [name, part] : result.work.seconds)
    if (part > 0.0005 * sum)
      text += fmt::format("{}{} {:.1f}%", text.empty() ? "" : ", ", name, 100 * part / sum);
  print_line(text);
}

std::string text_of(const PassResult& r) {
  return fmt::format(
      "{:.3f} of {:.0f} GFLOP/s, {:.0f} tokens/s (processor time {:.3f}; {} to {} rows an expert)", r.share,
      r.roofline, r.tokens_per_second(), r.processor_share, r.least_rows, r.most_rows);
}

double largest_difference(const std::vector<float>& a, const std::vector<double>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

std::vector<float> times(const model::Tensor& weight, const std::vector<float>& x) {
  const int64_t outputs = weight.shape[0], inputs = weight.shape[1];
  std::vector<float> row(static_cast<size_t>(inputs)), y;
  for (int64_t o = 0; o < outputs; ++o) {
    engine::load(weight, o * inputs, inputs, row.data());
    y.push_back(static_cast<float>(std::inner_product(row.begin(), row.end(), x.begin(), 0.0)));
  }
  return y;
}

// down(silu(gate(x)) · up(x)), slowly.
std::vector<float> expert_output(const model::GatedFeedForward& expert, const std::vector<float>& x) {
  std::vector<float> gate = times(expert.gate, x);
  const std::vector<float> up = times(expert.up, x);
  for (size_t i = 0; i < gate.size(); ++i) gate[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
  return times(expert.down, gate);
}

}  // namespace

void speed_row(const Setting& setting, const std::string& shape) {
  const PassResult result = run_pass(options_of(setting, shape, layers_of(shape)));
  const double target = shape == "olmoe" ? 0.85 : 0.82;
  print_row(shape, text_of(result), fmt::format(">= {}", target), result.share >= target);
  print_parts(result);
}

void float32_row(const Setting& setting) {
  PassOptions options = options_of(setting, "olmoe", 2);
  options.compute = "f32";
  const PassResult result = run_pass(options);
  print_row("float32", text_of(result), ">= 0.7", result.share >= 0.7);
}

void threads_row(const Setting& setting) {
  PassOptions options = options_of(setting, "qwen3", 2);
  options.threads = 1;
  const PassResult one = run_pass(options);
  options.threads = 2;
  const PassResult two = run_pass(options);
  const double ratio = one.took.clock / two.took.clock;
  print_row(
      "threads",
      fmt::format("{:.3f} times (roofline {:.0f} and {:.0f} GFLOP/s)", ratio, one.roofline, two.roofline),
      ">= 1.85", ratio >= 1.85);
}

void attention_row(const Setting& setting) {
  PassOptions options = options_of(setting, "olmoe", 16);
  options.tokens = 4096;
  options.prompts = 1;
  options.repeat = 1;
  const PassResult result = run_pass(options);
  double sum = 0, attention = 0;
  for (const auto& [name, part] : result.work.seconds) {
    sum += part;
    if (name == "attention") attention = part;
  }
  print_row("attention",
            fmt::format("{:.1f}% of a prompt of 4,096 tokens; {}", 100 * attention / sum, text_of(result)),
            "<= 15%", attention <= 0.15 * sum);
}

void experts_row(const Setting& setting) {
  const auto model = model::Model::open(checkpoint_of(options_of(setting, "olmoe", 2)));
  const auto& experts = model.weights().layers[0].moe.experts;
  const int64_t d = model.config().d_model, count = static_cast<int64_t>(experts.size());
  const int slots = model.config().router.top_k;
  std::vector<uint16_t> ids;
  for (int64_t e = 0; e < count; ++e)
    ids.insert(ids.end(), static_cast<size_t>(128 + 256 * e / (count - 1)), static_cast<uint16_t>(e));
  Random random(1);
  random.shuffle(std::span(ids));
  const int64_t rows = static_cast<int64_t>(ids.size()) / slots;
  const std::vector<float> weight(ids.size(), 0.125f);
  for (const auto compute : {engine::Compute::kBF16, engine::Compute::kF32}) {
    if (!engine::can_compute(compute)) continue;
    std::vector<float> exact(static_cast<size_t>(rows * d)), hidden(exact.size());
    for (float& value : exact) value = static_cast<float>(random.uniform() * 2 - 1);
    std::vector<std::byte> x(exact.size() * engine::size_of(compute));
    engine::store(exact.data(), rows * d, compute, x.data());
    engine::Machine machine(compute, setting.threads);
    Bytes outputs;
    const auto add = [&] {
      engine::add_experts(machine, experts, {x.data(), compute, d}, {rows, slots, ids.data(), weight.data()},
                          {hidden.data(), engine::Compute::kF32, d}, outputs);
    };
    add();
    std::vector<double> expected(static_cast<size_t>(d));
    for (int s = 0; s < slots; ++s) {
      const auto one =
          expert_output(experts[ids[static_cast<size_t>(s)]], {exact.begin(), exact.begin() + d});
      for (size_t i = 0; i < one.size(); ++i) expected[i] += 0.125 * one[i];
    }
    const double off = largest_difference({hidden.begin(), hidden.begin() + d}, expected);
    if (off > (compute == engine::Compute::kF32 ? 1e-5 : 2e-2))
      throw Error("experts: results are off by {}", off);
    std::vector<double> share;
    double peak_clock = 0;
    for (int r = 0; r < setting.repeat; ++r) {
      const Seconds peak = roofline(compute, setting.threads);
      const double flops = 6.0 * static_cast<double>(rows * slots * d * model.config().expert_width);
      share.push_back(flops * peak.clock / time_of(add).clock);
      peak_clock = peak.clock;
    }
    const bool bf16 = compute == engine::Compute::kBF16;
    print_row(bf16 ? "experts" : "experts f32",
              fmt::format("{:.3f} of {:.0f} GFLOP/s", median(share), 1e-9 / peak_clock), ">= 0.95",
              median(share) >= 0.95);
  }
}

void startup_row(const Setting& setting) {
  for (const std::string shape : {"olmoe", "qwen3", "deepseek"}) {
    const auto folder = checkpoint_of(options_of(setting, shape, layers_of(shape)));
    drop_cache(folder / "model.safetensors");
    class Begin : public model::RoutingSink {  // is called when the first layer begins
     public:
      void begin_chunk(const model::RecordedRows&) override { at = now(); }
      void record(const model::RoutingBatch&) override {}
      void end_chunk() override {}
      double at = 0;
    } begin;
    const double start = now();
    const auto model = model::Model::open(folder);
    engine::Engine engine(model, {.compute = engine::best_compute(), .threads = setting.threads});
    const std::vector<engine::Sequence> prompts = {{0, {1, 2, 3}, {}, {2}, false}};
    const engine::Variant variant{{}, &begin, {}};
    engine.prefill(prompts, std::span(&variant, 1), {});
    const double took = begin.at - start;
    print_row("start-up",
              fmt::format("{:.3f} s: {}, {} layers, not in memory", took, shape, layers_of(shape)), "< 0.2 s",
              took < 0.2);
  }
}

}  // namespace committee::bench
