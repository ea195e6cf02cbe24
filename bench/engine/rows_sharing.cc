// Rows about prefixes that prompts share: MMLU with five worked examples; and equal results whatever the way.
#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "cli/prompts.h"
#include "collect.h"
#include "engine/chunks.h"
#include "engine/prefix_tree.h"
#include "measure.h"
#include "passes.h"
#include "rows.h"

namespace committee::bench {
namespace {

using engine::Sequence;

std::vector<Sequence> mmlu_prompts(const Setting& setting, int shots, const model::ModelConfig& config,
                                   const std::string& subject) {
  if (setting.mmlu.empty() || setting.tokenizer.empty()) throw Error("needs --mmlu and --tokenizer");
  cli::DataFlags data;
  data.data = setting.mmlu;
  data.shots = shots;
  cli::RecordingFlags recording;
  recording.score = false;
  ThreadPool pool(setting.threads);
  const cli::Prompts prompts =
      cli::prepare_prompts(data, recording, 0, config, tokenizer::Tokenizer::load(setting.tokenizer), pool);
  std::vector<Sequence> sequences;
  for (size_t i = 0; i < prompts.sequences.size(); ++i) {
    if (subject.empty() || prompts.data.samples[i].subject == subject)
      sequences.push_back(prompts.sequences[i]);
  }
  if (sequences.empty()) throw Error("MMLU has no subject {}", subject);
  return sequences;
}

struct Run {
  engine::Collect records;
  engine::Work work;
  double seconds = 0;
};

Run run(const model::Model& model, std::span<const Sequence> sequences,
        const engine::EngineOptions& options) {
  const model::ModelConfig& config = model.config();
  Run result{
      engine::Collect(static_cast<int>(config.moe_layers.size()), config.router.experts, config.router.top_k),
      {},
      0};
  engine::Engine engine(model, options);
  const engine::Variant variant{{}, &result.records, {}};
  result.seconds =
      time_of([&] { result.work = engine.prefill(sequences, std::span(&variant, 1), {}); }).clock;
  return result;
}

double largest_difference(const Run& a, const Run& b) {
  if (a.records.probs.size() != b.records.probs.size()) throw Error("runs differ in the number of records");
  double most = 0;
  for (size_t i = 0; i < a.records.probs.size(); ++i)
    most = std::max(most, std::abs(static_cast<double>(a.records.probs[i]) - b.records.probs[i]));
  for (size_t i = 0; i < a.records.weights.size(); ++i)
    most = std::max(most, std::abs(static_cast<double>(a.records.weights[i]) - b.records.weights[i]));
  return most;
}

struct Counted {
  int64_t rows = 0, chunks = 0;
};

Counted count_rows(const engine::Decoder& decoder, std::span<const Sequence> sequences, size_t memory) {
  const engine::Variant variant;
  const engine::ChunkCost cost = engine::prefill_cost(decoder, std::span(&variant, 1), {memory, 0});
  Counted counted;
  for (size_t begin = 0, end = 0; begin < sequences.size(); begin = end) {
    end = engine::chunk_end(cost, sequences, begin, true);
    engine::PrefixTree tree;
    for (const Sequence& sequence : sequences.subspan(begin, end - begin)) tree.add(sequence.tokens);
    counted.rows += tree.rows();
    ++counted.chunks;
  }
  return counted;
}

}  // namespace

void shared_rows_row(const Setting& setting) {
  PassOptions options;
  options.models = setting.models;
  options.layers = 16;
  const auto model = model::Model::open(checkpoint_of(options));
  const engine::Decoder decoder(model, engine::Compute::kBF16, setting.threads);
  for (const int shots : {5, 0}) {
    const auto sequences = mmlu_prompts(setting, shots, model.config(), "");
    engine::PrefixTree tree;
    int64_t tokens = 0;
    for (const Sequence& sequence : sequences) {
      tree.add(sequence.tokens);
      tokens += static_cast<int64_t>(sequence.tokens.size());
    }
    for (const size_t memory : {size_t{18} << 30, size_t{4} << 30}) {
      const Counted counted = count_rows(decoder, sequences, memory);
      const double over = static_cast<double>(counted.rows) / static_cast<double>(tree.rows()) - 1;
      print_row("shared rows",
                fmt::format(
                    "{}-shot MMLU, {} prompts: {} tokens read, {} distinct rows, {} computed in {} chunks "
                    "({} GB, 16 OLMoE layers): {:.2f}% more, {:.2f} times fewer than read",
                    shots, sequences.size(), tokens, tree.rows(), counted.rows, counted.chunks, memory >> 30,
                    100 * over, static_cast<double>(tokens) / static_cast<double>(counted.rows)),
                "<= 1% more", over <= 0.01);
    }
  }
}

void sharing_row(const Setting& setting) {
  PassOptions options;
  options.models = setting.models;
  const auto model = model::Model::open(checkpoint_of(options));
  const auto sequences = mmlu_prompts(setting, 5, model.config(), setting.subject);
  // Exact first, on a few prompts in float32.
  const auto few = std::span(sequences).first(std::min<size_t>(8, sequences.size()));
  const double off =
      largest_difference(run(model, few, {.threads = setting.threads}),
                         run(model, few, {.threads = setting.threads, .share_prefixes = false}));
  const auto bf16 = engine::best_compute();
  run(model, few, {.compute = bf16, .threads = setting.threads});  // reads the weights
  const Run shared = run(model, sequences, {.compute = bf16, .threads = setting.threads});
  const Run apart =
      run(model, sequences, {.compute = bf16, .threads = setting.threads, .share_prefixes = false});
  const double ratio = apart.seconds / shared.seconds;
  print_row(
      "sharing",
      fmt::format("{} prompts of {}: {} tokens in {} rows ({:.2f} times fewer): {:.1f} s → {:.1f} s, {:.2f} "
                  "times less; float32 results within {:.1e}",
                  sequences.size(), setting.subject, shared.work.tokens, shared.work.rows,
                  static_cast<double>(shared.work.tokens) / static_cast<double>(shared.work.rows),
                  apart.seconds, shared.seconds, ratio, off),
      ">= 6 times, 1e-5", ratio >= 6 && off <= 1e-5);
}

void equal_row(const Setting& setting) {
  for (const std::string shape : {"olmoe", "deepseek"}) {
    PassOptions options;
    options.models = setting.models;
    options.shape = shape;
    options.layers = 4;
    options.tokens = 512;
    options.shared = 11;
    const auto model = model::Model::open(checkpoint_of(options));
    const auto prompts = random_prompts(options, model.config().vocab);
    const Run base = run(model, prompts, {.threads = 2});
    const auto compare = [&](const std::string& what, const engine::EngineOptions& other, double tolerance) {
      const Run got = run(model, prompts, other);
      const double off = largest_difference(base, got);
      print_row("equal",
                fmt::format("{}, float32, {}, {} rows in {} chunks: within {:.1e}", shape, what,
                            got.work.rows, got.work.chunks, off),
                fmt::format("{:.0e}", tolerance), off <= tolerance);
    };
    compare("one thread", {.threads = 1}, 0);
    compare("three threads", {.threads = 3}, 0);
    compare("prefixes not shared", {.threads = 2, .share_prefixes = false}, 1e-5);
    size_t needed = 0;
    try {
      run(model, prompts, {.threads = 2, .memory = 1});
    } catch (const Error& error) {
      const std::string sentence = error.what();
      needed = std::stoul(sentence.substr(sentence.rfind("needs ") + 6)) + 1;
    }
    for (const size_t more : {0, 4, 12}) {
      compare(fmt::format("two layers at a time, {} MB", needed + more),
              {.threads = 2, .memory = (needed + more) << 20}, 1e-5);
    }
  }
}

}  // namespace committee::bench
