// A capture whose ranks hold different layers: chunks of prompts flow from the last rank, which embeds, to
// the first, which has the last layers, takes all records and writes the trace.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <future>
#include <thread>

#include "base/error.h"
#include "cli/capture_setup.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "parallel/agree.h"
#include "parallel/partition.h"
#include "parallel/watch.h"

namespace committee::cli {
namespace {

using parallel::Communicator;
using parallel::Payload;

constexpr int kHiddenTag = 1, kRecordsTag = 2, kChunkTag = 3;

struct Layers {
  int first = 0, end = 0;          // of the model
  int first_moe = 0, end_moe = 0;  // indices among its MoE layers
};

// The layers of every rank, by the bytes of their weights.
std::vector<Layers> layers_of_ranks(const model::Model& model, int size) {
  const auto& config = model.config();
  if (size > config.layers) {
    throw Error("{} ranks are more than the model's {} layers", size, config.layers);
  }
  std::vector<int64_t> bytes;
  for (int l = 0; l < config.layers; ++l) bytes.push_back(static_cast<int64_t>(model.layer_bytes(l)));
  bytes.front() += static_cast<int64_t>(model.weights().embedding.bytes);
  bytes.back() += static_cast<int64_t>(model.weights().lm_head.bytes);
  const auto bounds = parallel::partition(bytes, size);
  const auto moe_before = [&](int layer) {
    const auto& moe = config.moe_layers;
    return static_cast<int>(std::lower_bound(moe.begin(), moe.end(), layer) - moe.begin());
  };
  std::vector<Layers> layers;
  for (int rank = 0; rank < size; ++rank) {
    const auto stage = static_cast<size_t>(size - 1 - rank);
    const int first = static_cast<int>(bounds[stage]), end = static_cast<int>(bounds[stage + 1]);
    layers.push_back({first, end, moe_before(first), moe_before(end)});
  }
  return layers;
}

// Sends while the next chunk is computed: one message is on its way at a time.
class Outbox {
 public:
  Outbox(Communicator& ranks, int to, int tag) : ranks_(ranks), to_(to), tag_(tag) {}

  void send(Payload bytes) {
    wait();
    sending_ =
        std::async(std::launch::async, [this, bytes = std::move(bytes)] { ranks_.send(to_, tag_, bytes); });
  }
  void wait() {
    if (sending_.valid()) sending_.get();
  }

 private:
  Communicator& ranks_;
  int to_, tag_;
  std::future<void> sending_;
};

// Receives the next chunk's residual stream while this one's is computed.
class Inbox {
 public:
  Inbox(Communicator& ranks, const parallel::Watch& watch) : ranks_(ranks), watch_(watch) {}
  ~Inbox() { closed_ = true; }

  void receive(std::span<float> into) {
    if (!coming_.valid()) expect();
    const Payload bytes = coming_.get();
    if (bytes.size() != into.size_bytes()) {
      throw Error("rank {} sent {} bytes where {} are due", ranks_.rank() + 1, bytes.size(),
                  into.size_bytes());
    }
    std::memcpy(into.data(), bytes.data(), bytes.size());
    expect();
  }

 private:
  void expect() {
    coming_ = std::async(std::launch::async, [this] {
      return ranks_.receive(ranks_.rank() + 1, kHiddenTag, [this] {
        if (closed_) throw Error("the pass is over");
        watch_.check();
      });
    });
  }

  Communicator& ranks_;
  const parallel::Watch& watch_;
  std::atomic<bool> closed_ = false;
  std::future<Payload> coming_;
};

// Where the records of some MoE layers and all rows of a chunk lie in a message.
struct RecordLayout {
  int64_t layers = 0, rows = 0, experts = 0, top_k = 0;  // experts 0: no distributions

  size_t probs_at(int64_t layer, int64_t row) const {
    return static_cast<size_t>((layer * rows + row) * experts) * sizeof(float);
  }
  size_t weights_at(int64_t layer, int64_t row) const {
    return probs_at(layers, 0) + static_cast<size_t>((layer * rows + row) * top_k) * sizeof(float);
  }
  size_t ids_at(int64_t layer, int64_t row) const {
    return weights_at(layers, 0) + static_cast<size_t>((layer * rows + row) * top_k) * sizeof(uint16_t);
  }
  size_t bytes() const { return ids_at(layers, 0); }
};

RecordLayout layout_of(const CaptureSetup& setup, const Layers& layers, int64_t rows) {
  const auto& manifest = setup.manifest;
  const bool full = manifest.recording.record == trace::Record::kFull;
  return {layers.end_moe - layers.first_moe, rows, full ? manifest.model.experts : 0, manifest.model.top_k};
}

// The records of a rank that does not write the trace, on their way to the one that does.
class RecordSender : public model::RoutingSink {
 public:
  RecordSender(const CaptureSetup& setup, const Layers& layers, Communicator& ranks)
      : setup_(setup), layers_(layers), outbox_(ranks, 0, kRecordsTag) {}

  void begin_chunk(const model::RecordedRows& rows) override {
    layout_ = layout_of(setup_, layers_, rows.size());
    bytes_.resize(layout_.bytes());
  }
  void record(const model::RoutingBatch& batch) override {
    const int64_t layer = batch.layer - layers_.first_moe;
    const auto put = [&](size_t at, auto values) {
      if (!values.empty()) std::memcpy(bytes_.data() + at, values.data(), values.size_bytes());
    };
    if (layout_.experts > 0) put(layout_.probs_at(layer, batch.first_row), batch.probs);
    put(layout_.weights_at(layer, batch.first_row), batch.topk_weight);
    put(layout_.ids_at(layer, batch.first_row), batch.topk_id);
  }
  void end_chunk() override { outbox_.send(std::exchange(bytes_, {})); }
  void flush() { outbox_.wait(); }

 private:
  const CaptureSetup& setup_;
  Layers layers_;
  RecordLayout layout_;
  Payload bytes_;
  Outbox outbox_;
};

// Completes a chunk with the records of the other ranks.
class JoiningSink : public model::RoutingSink {
 public:
  JoiningSink(CaptureSink& sink, const CaptureSetup& setup, std::span<const Layers> layers,
              Communicator& ranks, const parallel::Watch& watch)
      : sink_(sink), setup_(setup), layers_(layers), ranks_(ranks), watch_(watch) {}

  void begin_chunk(const model::RecordedRows& rows) override {
    rows_ = rows.size();
    sink_.begin_chunk(rows);
  }
  void record(const model::RoutingBatch& batch) override { sink_.record(batch); }
  void end_chunk() override {
    for (int rank = 1; rank < ranks_.size(); ++rank) join(rank);
    sink_.end_chunk();
  }

 private:
  void join(int rank) {
    const Layers& layers = layers_[static_cast<size_t>(rank)];
    const RecordLayout layout = layout_of(setup_, layers, rows_);
    const Payload bytes = ranks_.receive(rank, kRecordsTag, [&] { watch_.check(); });
    if (bytes.size() != layout.bytes()) {
      throw Error("rank {} sent {} bytes of records where {} are due", rank, bytes.size(), layout.bytes());
    }
    for (int64_t layer = 0; layer < layout.layers; ++layer) {
      const auto at = [&]<typename T>(const T*, size_t offset, int64_t width) {
        return std::span(reinterpret_cast<const T*>(bytes.data() + offset),
                         static_cast<size_t>(rows_ * width));
      };
      constexpr const float* kFloat = nullptr;
      constexpr const uint16_t* kId = nullptr;
      sink_.record({layers.first_moe + static_cast<int>(layer), 0, rows_,
                    at(kFloat, layout.probs_at(layer, 0), layout.experts),
                    at(kId, layout.ids_at(layer, 0), layout.top_k),
                    at(kFloat, layout.weights_at(layer, 0), layout.top_k)});
    }
  }

  CaptureSink& sink_;
  const CaptureSetup& setup_;
  std::span<const Layers> layers_;
  Communicator& ranks_;
  const parallel::Watch& watch_;
  int64_t rows_ = 0;
};

// The least value of all ranks, for each of them.
int64_t least(int64_t value, Communicator& ranks, const parallel::Watch& watch) {
  const auto bytes_of = [](int64_t number) {
    Payload bytes(sizeof number);
    std::memcpy(bytes.data(), &number, sizeof number);
    return bytes;
  };
  const auto number_in = [](const Payload& bytes) {
    int64_t number = 0;
    std::memcpy(&number, bytes.data(), sizeof number);
    return number;
  };
  if (!ranks.first()) {
    ranks.send(0, kChunkTag, bytes_of(value));
    return number_in(ranks.receive(0, kChunkTag));
  }
  for (int rank = 1; rank < ranks.size(); ++rank) {
    value = std::min(value, number_in(ranks.receive(rank, kChunkTag, [&] { watch.check(); })));
  }
  for (int rank = 1; rank < ranks.size(); ++rank) ranks.send(rank, kChunkTag, bytes_of(value));
  return value;
}

// The samples to record, the same ones on all ranks.
Pending agreed_pending(const CaptureSetup& setup, const trace::TraceWriter* writer, Communicator& ranks) {
  Payload done(setup.prompts.sequences.size());
  for (size_t i = 0; writer != nullptr && i < done.size(); ++i) {
    done[i] = static_cast<std::byte>(writer->is_done(static_cast<int64_t>(i)));
  }
  ranks.broadcast(done, 0);
  return pending_of(setup, [&](int64_t sample) { return done[static_cast<size_t>(sample)] != std::byte{0}; });
}

class LayerCapture {
 public:
  LayerCapture(const CaptureSetup& setup, std::vector<Layers> layers, const Pending& pending,
               Communicator& ranks)
      : setup_(setup),
        layers_(std::move(layers)),
        pending_(pending),
        ranks_(ranks),
        watch_(ranks, [](int, const Payload&) {}),
        inbox_(ranks, watch_),
        outbox_(ranks, ranks.rank() - 1, kHiddenTag) {}

  // The rank with the last layers, which writes.
  engine::Work write(trace::TraceWriter& writer) {
    CaptureSink sink(writer, setup_);
    JoiningSink joining(sink, setup_, layers_, ranks_, watch_);
    const engine::Variant variant{setup_.policy, &joining,
                                  [&](size_t sequence, std::span<const float> logits) {
                                    sink.score_sample(pending_.sequences[sequence].sample, logits);
                                  }};
    Progress progress(setup_.flags.terminal.quiet);
    engine::Work work = pass(variant, [&](const engine::Progress& p) {
      watch_.check();
      progress.update(static_cast<double>(p.tokens), static_cast<double>(p.total_tokens), where_of(p),
                      "tokens");
    });
    watch_.end();
    sink.add_samples_before(static_cast<int64_t>(setup_.prompts.sequences.size()));
    writer.finish();
    return work;
  }

  void serve() {
    RecordSender sender(setup_, own(), ranks_);
    try {
      pass({setup_.policy, &sender, {}}, {});
      outbox_.wait();
      sender.flush();
    } catch (const std::exception&) {
      // The others wait for this rank: the first one ends the job.
      watch_.fail(parallel::current_problem());
      for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
    }
    watch_.end();
  }

 private:
  const Layers& own() const { return layers_[static_cast<size_t>(ranks_.rank())]; }

  engine::Work pass(const engine::Variant& variant, const engine::OnProgress& on_progress) {
    engine::Stage stage;
    stage.first = own().first;
    stage.end = own().end;
    stage.stages = ranks_.size();
    stage.least = [&](int64_t value) { return least(value, ranks_, watch_); };
    stage.receive = [&](std::span<float> hidden) { inbox_.receive(hidden); };
    stage.send_on = [&](std::span<const float> hidden) {
      const auto bytes = std::as_bytes(hidden);
      outbox_.send({bytes.begin(), bytes.end()});
    };
    try {
      return setup_.engine->prefill_stage(pending_.sequences, variant, stage, on_progress);
    } catch (const engine::SampleError& problem) {
      throw Error(with_sample_name(problem, setup_.prompts));
    }
  }

  const CaptureSetup& setup_;
  std::vector<Layers> layers_;
  const Pending& pending_;
  Communicator& ranks_;
  parallel::Watch watch_;
  Inbox inbox_;
  Outbox outbox_;
};

}  // namespace

CaptureWork capture_by_layers(const CaptureSetup& setup, const CaptureOutput& output, Communicator& ranks) {
  std::unique_ptr<trace::TraceWriter> writer;
  std::vector<Layers> layers;
  parallel::agree(ranks, [&] {
    if (setup.flags.recording.positions == "generated") {
      throw Error("--positions generated reads the model once a token: its ranks share prompts, not layers");
    }
    layers = layers_of_ranks(setup.model, ranks.size());
    if (ranks.first()) writer = open_writer(setup, output);
  });
  say_when_interrupted("interrupted; " + how_to_go_on(ranks));
  const Pending pending = agreed_pending(setup, writer.get(), ranks);
  LayerCapture capture(setup, std::move(layers), pending, ranks);
  CaptureWork work{static_cast<int64_t>(pending.sequences.size()), pending.tokens, 0};
  if (!ranks.first()) {
    capture.serve();
    return work;
  }
  try {
    work.computed_tokens = capture.write(*writer).rows;
  } catch (const std::exception&) {
    throw Error(parallel::current_problem());  // not shared: ranks that wait for each other cannot leave
  }
  return work;
}

}  // namespace committee::cli
