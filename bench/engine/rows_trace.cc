// The row about recording to disk.
#include <unistd.h>

#include "measure.h"
#include "passes.h"
#include "rows.h"
#include "trace/writer.h"

namespace committee::bench {
namespace {

// Passes records on, and keeps the seconds that beginning and ending chunks take.
class Timed : public model::RoutingSink {
 public:
  explicit Timed(model::RoutingSink& to) : to_(to) {}
  void begin_chunk(const model::RecordedRows& rows) override {
    seconds += time_of([&] { to_.begin_chunk(rows); }).clock;
  }
  void record(const model::RoutingBatch& batch) override { to_.record(batch); }
  void end_chunk() override {
    seconds += time_of([&] { to_.end_chunk(); }).clock;
  }
  double seconds = 0;

 private:
  model::RoutingSink& to_;
};

}  // namespace

void recording_row(const Setting& setting) {
  PassOptions options;
  options.models = setting.models;
  options.layers = 16;
  const auto model = model::Model::open(checkpoint_of(options));
  const model::ModelConfig& config = model.config();
  engine::Engine engine(model, {.compute = engine::best_compute(), .threads = setting.threads});
  const auto prompts = random_prompts(options, config.vocab);
  trace::Manifest manifest;
  manifest.model = {
      "bench", "olmoe", model.fingerprint(), config.moe_layers, config.router.experts, config.router.top_k};
  manifest.recording.dataset = "random";
  manifest.recording.positions = "all";
  std::vector<trace::SampleInfo> infos;
  std::vector<int32_t> rows;
  for (const engine::Sequence& prompt : prompts) {
    infos.push_back({.id = std::to_string(prompt.sample), .domain = "random", .subject = "random"});
    rows.push_back(static_cast<int32_t>(prompt.recorded.size()));
  }
  const auto folder = setting.models / ("trace-" + std::to_string(::getpid()));
  std::vector<double> share;
  for (int r = 0; r < 3; ++r) {
    std::filesystem::remove_all(folder);
    const double start = now();
    const auto writer = trace::TraceWriter::create(folder, manifest, rows, trace::Existing::kRefuse);
    Timed sink(*writer);
    sink.seconds = now() - start;
    const engine::Variant variant{{}, &sink, {}};
    const engine::Work work = engine.prefill(prompts, std::span(&variant, 1), {});
    sink.seconds += time_of([&] {
                      writer->add_samples(0, infos);
                      writer->finish();
                    }).clock;
    for (const auto& [name, part] : work.seconds) sink.seconds += name == "recording" ? part : 0;
    share.push_back(sink.seconds / (now() - start));
  }
  std::filesystem::remove_all(folder);
  print_row("recording",
            fmt::format("{:.2f}% of the run, all distributions of {} tokens in 16 layers synced to disk",
                        100 * median(share), options.tokens),
            "<= 1%", median(share) <= 0.01);
}

}  // namespace committee::bench
