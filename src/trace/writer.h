#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/routing.h"
#include "trace/folder.h"
#include "trace/manifest.h"
#include "trace/shard_plan.h"
#include "trace/shard_writer.h"

namespace committee::trace {

enum class Existing { kRefuse, kOverwrite };

// Writes a trace folder (FORMATS "Trace"): records-NNNNN.safetensors, samples.jsonl, and trace.json when all
// is there. The order of calls:
//
//   auto writer = TraceWriter::create(folder, manifest, max_rows, Existing::kRefuse);   // or resume()
//   for each chunk of samples that are not done, in ascending order:
//     the engine: begin_chunk(rows), record(batch)…, end_chunk()
//     writer->add_samples(first, infos)      every sample of the run once, with or without rows
//   writer->finish()
//
// All rows of a sample come in one chunk. Which samples share a shard depends on `max_rows` and limits alone,
// so files are equal byte for byte however the run is cut into chunks and threads. A shard is synced and
// renamed (in the background) when its last sample was added; until finish() trace.json says that the trace
// is not complete. An object destroyed before that leaves the whole shards, with which resume() goes on.
//
// All members throw Error (disk full, read-only folder, …) naming the file.
class TraceWriter : public model::RoutingSink {
 public:
  // Of `manifest` model, recording and tool_version are used. max_rows[i]: the most rows that sample i can
  // have, that is how many it has except where generation can end early. A folder that is not empty is
  // refused, or loses the files of an earlier trace (and no other file).
  static std::unique_ptr<TraceWriter> create(const std::filesystem::path& folder, Manifest manifest,
                                             std::vector<int32_t> max_rows, Existing existing,
                                             const ShardLimits& limits = {});

  // Goes on with what create() began, or begins where nothing was. Refused, naming what changed, when the
  // unfinished trace has another model, other data or options, or was begun by another version of the
  // program. Shards that are missing or damaged are to be recorded again.
  static std::unique_ptr<TraceWriter> resume(const std::filesystem::path& folder, Manifest manifest,
                                             std::vector<int32_t> max_rows, const ShardLimits& limits = {});

  ~TraceWriter() override;

  // Several processes record one trace: the first one has the writer of create() or resume() and calls
  // share(); the others, with the same manifest and max_rows, join(). Each records only its shards, all
  // flush(), and then the first one, which alone may finish(), finds the others' shards in the folder. A
  // process that does not see the folder (join() gives nullptr) creates a trace elsewhere and has its whole
  // shards brought by on_shard() and adopt_shard().
  void share(const std::string& token);
  static std::unique_ptr<TraceWriter> join(const std::filesystem::path& folder, Manifest manifest,
                                           std::vector<int32_t> max_rows, const std::string& token,
                                           const ShardLimits& limits = {});

  const std::vector<ShardRange>& plan() const { return plan_; }
  const std::vector<bool>& shards_done() const { return done_; }  // [plan().size()]
  // Leaves all other shards to others, or to nobody: they count as done. Before anything is recorded.
  void record_only(const std::vector<bool>& shards);
  // Called in the background with every shard that has become whole; may throw.
  void on_shard(std::function<void(int64_t shard)> call) { on_shard_ = std::move(call); }

  // Samples that lie in whole shards; they must not be recorded or added again.
  bool is_done(int64_t sample) const;
  int64_t samples_done() const;
  // Resumed where nothing is left to do: only finish() may follow.
  bool is_complete() const { return manifest_.complete; }

  void begin_chunk(const model::RecordedRows& rows) override;
  void record(const model::RoutingBatch& batch) override;
  void end_chunk() override;

  // The same as record() for every layer of some rows: probs [rows, L, E], topk_id and topk_weight [rows, L,
  // k].
  struct WholeRows {
    int64_t first_row = 0;  // of the chunk's RecordedRows
    int64_t rows = 0;
    std::span<const float> probs;
    std::span<const uint16_t> topk_id;
    std::span<const float> topk_weight;
  };
  void record_rows(const WholeRows& batch);

  // What is known of samples [first, first + size) once the chunk with their rows has ended.
  void add_samples(int64_t first, std::span<const SampleInfo> samples);

  // Waits until every shard whose last sample was added is on disk (Trace::open_begun reads them).
  void flush();

  // The curve that adaptive sampling took, kept in trace.json and stability.csv.
  void set_stability(std::vector<StabilityPoint> curve) { manifest_.recording.stability = std::move(curve); }

  // Completes the trace with the samples so far, which must be the first N of the run (N may be less than
  // planned: adaptive sampling).
  Manifest finish();

 private:
  struct OpenShard {
    std::unique_ptr<ShardWriter> writer;
    std::string lines;
    int64_t added = 0;  // samples described so far
  };
  // Where a run of a chunk's rows went.
  struct Segment {
    int64_t first_row = 0, rows = 0;
    ShardWriter* shard = nullptr;
    int64_t shard_row = 0;
  };

  TraceWriter(const std::filesystem::path& folder, Manifest manifest, std::vector<int32_t> max_rows,
              const ShardLimits& limits, std::unique_ptr<FolderLock> lock);
  void start();
  void adopt_whole_shards();
  void adopt_complete(const Manifest& begun);
  void reopen(const Manifest& begun);
  void remove_journals() const;
  int64_t shard_of(int64_t sample) const;
  OpenShard& open_shard(int64_t shard);
  void place_sample(const model::RecordedRows& rows, int64_t begin, int64_t end);
  void place(int64_t first_row, int64_t rows, int64_t first_layer, int64_t layers,
             std::span<const float> probs, std::span<const uint16_t> ids, std::span<const float> weights);
  void commit(int64_t shard);
  void collect_samples(int64_t shards);

  std::filesystem::path folder_;
  Manifest manifest_;
  std::vector<int32_t> max_rows_;
  RecordShape shape_;
  std::vector<ShardRange> plan_;
  std::unique_ptr<FolderLock> lock_;  // until finish()
  std::vector<bool> done_;            // by shard
  std::map<int64_t, OpenShard> open_;
  std::vector<Segment> segments_;
  int64_t chunk_rows_ = 0, last_sample_ = -1;
  std::atomic<int64_t> placed_ = 0;  // rows · layers of the chunk
  std::function<void(int64_t)> on_shard_;
  std::future<void> committing_;
};

}  // namespace committee::trace
