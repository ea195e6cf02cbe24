#include "trace/writer.h"

#include <algorithm>
#include <utility>

#include "base/atomic_file.h"
#include "base/csv.h"
#include "base/error.h"
#include "base/json.h"
#include "trace/journal.h"
#include "trace/manifest_json.h"

namespace committee::trace {

namespace {

std::string stability_csv(const std::vector<StabilityPoint>& curve) {
  CsvWriter csv({"samples", "stable_layers", "agreement"});
  for (const auto& point : curve) {
    csv.add(point.samples).add(point.stable_layers).add(point.agreement).end_row();
  }
  return csv.text();
}

}  // namespace

TraceWriter::TraceWriter(const std::filesystem::path& folder, Manifest manifest,
                         std::vector<int32_t> max_rows, const ShardLimits& limits,
                         std::unique_ptr<FolderLock> lock)
    : folder_(folder),
      manifest_(std::move(manifest)),
      max_rows_(std::move(max_rows)),
      shape_(manifest_),
      plan_(plan_shards(max_rows_, shape_.row_bytes(), limits)),
      lock_(std::move(lock)),
      done_(plan_.size()) {
  check_model(manifest_.model, folder.string());
  manifest_.complete = false;
  manifest_.samples = 0;
  manifest_.shards.clear();
  manifest_.domains.clear();
  manifest_.recording.stability.clear();
}

TraceWriter::~TraceWriter() = default;

std::unique_ptr<TraceWriter> TraceWriter::create(const std::filesystem::path& folder, Manifest manifest,
                                                 std::vector<int32_t> max_rows, Existing existing,
                                                 const ShardLimits& limits) {
  std::unique_ptr<TraceWriter> writer(new TraceWriter(folder, std::move(manifest), std::move(max_rows),
                                                      limits, std::make_unique<FolderLock>(folder)));
  if (existing == Existing::kOverwrite) {
    remove_trace_files(folder);
  } else if (!is_empty_folder(folder)) {
    throw Error("{}: the folder is not empty", folder.string());
  }
  writer->start();
  return writer;
}

void TraceWriter::start() { write_file(folder_ / kManifestFile, manifest_text(manifest_)); }

int64_t TraceWriter::shard_of(int64_t sample) const {
  if (sample < 0 || sample >= static_cast<int64_t>(max_rows_.size())) {
    throw Error("{}: sample {} is not one of the run's {}", folder_.string(), sample, max_rows_.size());
  }
  const auto after =
      std::upper_bound(plan_.begin(), plan_.end(), sample,
                       [](int64_t at, const ShardRange& range) { return at < range.first_sample; });
  return after - plan_.begin() - 1;
}

bool TraceWriter::is_done(int64_t sample) const { return done_[static_cast<size_t>(shard_of(sample))]; }

int64_t TraceWriter::samples_done() const {
  int64_t samples = 0;
  for (size_t shard = 0; shard < plan_.size(); ++shard) samples += done_[shard] ? plan_[shard].samples : 0;
  return samples;
}

TraceWriter::OpenShard& TraceWriter::open_shard(int64_t shard) {
  const auto& range = plan_[static_cast<size_t>(shard)];
  auto& open = open_[shard];
  if (!open.writer) {
    open.writer = std::make_unique<ShardWriter>(folder_ / shard_file(shard), shape_, range.rows);
  }
  return open;
}

void TraceWriter::place_sample(const model::RecordedRows& rows, int64_t begin, int64_t end) {
  const auto first = static_cast<size_t>(begin);
  const auto count = static_cast<size_t>(end - begin);
  const int32_t sample = rows.sample[first];
  const int64_t shard = shard_of(sample);
  if (done_[static_cast<size_t>(shard)] || sample <= last_sample_) {
    throw Error("{}: sample {} was recorded before", folder_.string(), sample);
  }
  if (end - begin > max_rows_[static_cast<size_t>(sample)]) {
    throw Error("{}: sample {} has more rows than were announced", folder_.string(), sample);
  }
  last_sample_ = sample;
  auto& open = open_shard(shard);
  const int64_t shard_row = open.writer->add_rows(sample, std::span(rows.position).subspan(first, count),
                                                  std::span(rows.token).subspan(first, count),
                                                  std::span(rows.content).subspan(first, count));
  if (!segments_.empty() && segments_.back().shard == open.writer.get()) {
    segments_.back().rows += end - begin;
  } else {
    segments_.push_back({begin, end - begin, open.writer.get(), shard_row});
  }
}

void TraceWriter::begin_chunk(const model::RecordedRows& rows) {
  const auto size = static_cast<size_t>(rows.size());
  if (rows.position.size() != size || rows.token.size() != size || rows.content.size() != size) {
    throw Error("{}: a chunk's rows are not of one length", folder_.string());
  }
  segments_.clear();
  chunk_rows_ = rows.size();
  placed_ = 0;
  for (size_t begin = 0, end = 0; begin < size; begin = end) {
    for (end = begin + 1; end < size && rows.sample[end] == rows.sample[begin]; ++end) {
      if (rows.position[end] <= rows.position[end - 1]) {
        throw Error("{}: positions of sample {} do not ascend", folder_.string(), rows.sample[begin]);
      }
    }
    place_sample(rows, static_cast<int64_t>(begin), static_cast<int64_t>(end));
  }
  for (const auto& segment : segments_) segment.shard->prepare(segment.shard_row, segment.rows);
}

void TraceWriter::place(int64_t first_row, int64_t rows, int64_t first_layer, int64_t layers,
                        std::span<const float> probs, std::span<const uint16_t> ids,
                        std::span<const float> weights) {
  const int64_t full = layers * shape_.experts, top = layers * shape_.top_k;
  if (rows < 0 || first_row < 0 || first_row > chunk_rows_ - rows || first_layer < 0 ||
      first_layer > shape_.layers - layers || (shape_.probs && std::ssize(probs) != rows * full) ||
      (shape_.ids && std::ssize(ids) != rows * top) ||
      (shape_.weights && std::ssize(weights) != rows * top)) {
    throw Error("{}: a batch of routing records does not have the announced shape", folder_.string());
  }
  const auto part = [](auto span, int64_t begin, int64_t count) {
    return span.empty() ? span : span.subspan(static_cast<size_t>(begin), static_cast<size_t>(count));
  };
  auto segment = std::upper_bound(segments_.begin(), segments_.end(), first_row,
                                  [](int64_t row, const Segment& at) { return row < at.first_row; });
  if (segment != segments_.begin()) --segment;
  for (int64_t row = first_row; row < first_row + rows; ++segment) {
    const int64_t skip = row - segment->first_row;
    const int64_t count = std::min(segment->rows - skip, first_row + rows - row);
    const int64_t from = row - first_row;
    segment->shard->place(segment->shard_row + skip, count, first_layer, layers,
                          part(probs, from * full, count * full), part(ids, from * top, count * top),
                          part(weights, from * top, count * top));
    row += count;
  }
  placed_ += rows * layers;
}

void TraceWriter::record(const model::RoutingBatch& batch) {
  place(batch.first_row, batch.rows, batch.layer, 1, batch.probs, batch.topk_id, batch.topk_weight);
}

void TraceWriter::record_rows(const WholeRows& batch) {
  place(batch.first_row, batch.rows, 0, shape_.layers, batch.probs, batch.topk_id, batch.topk_weight);
}

void TraceWriter::end_chunk() {
  if (placed_ != chunk_rows_ * shape_.layers) {
    throw Error("{}: a chunk of {} rows ended with {} of {} routing records", folder_.string(), chunk_rows_,
                placed_.load(), chunk_rows_ * shape_.layers);
  }
  segments_.clear();
  chunk_rows_ = 0;
}

void TraceWriter::add_samples(int64_t first, std::span<const SampleInfo> samples) {
  if (chunk_rows_ != 0) throw Error("{}: samples were added before their chunk ended", folder_.string());
  for (const auto& info : samples) {
    const int64_t sample = first++;
    const int64_t shard = shard_of(sample);
    const auto& range = plan_[static_cast<size_t>(shard)];
    if (done_[static_cast<size_t>(shard)])
      throw Error("{}: sample {} was added before", folder_.string(), sample);
    auto& open = open_shard(shard);
    if (sample != range.first_sample + open.added) {
      throw Error("{}: sample {} was added where {} is due", folder_.string(), sample,
                  range.first_sample + open.added);
    }
    open.lines += sample_line(info) + "\n";
    if (++open.added == range.samples) commit(shard);
  }
}

void TraceWriter::flush() {
  if (committing_.valid()) committing_.get();
}

void TraceWriter::commit(int64_t shard) {
  flush();
  auto open = std::make_shared<OpenShard>(std::move(open_.at(shard)));
  open_.erase(shard);
  done_[static_cast<size_t>(shard)] = true;
  const int64_t first_sample = plan_[static_cast<size_t>(shard)].first_sample;
  committing_ = std::async(std::launch::async, [open, shard, first_sample, this] {
    ShardJournal journal{.shard = open->writer->commit(), .first_sample = first_sample, .lines = {}};
    journal.shard.samples = open->added;
    journal.lines = std::move(open->lines);
    write_journal(folder_, shard, journal);
    if (on_shard_) on_shard_(shard);
  });
}

void TraceWriter::collect_samples(int64_t shards) {
  AtomicFile file(folder_ / kSamplesFile);
  std::vector<std::string> domains;
  for (int64_t shard = 0; shard < shards; ++shard) {
    const auto journal = read_journal(folder_, shard, plan_[static_cast<size_t>(shard)]);
    if (!journal) throw Error("{}: is missing", (folder_ / journal_file(shard)).string());
    file.write(journal->lines);
    manifest_.shards.push_back(journal->shard);
    manifest_.samples += journal->shard.samples;
    std::string_view lines = journal->lines;
    while (!lines.empty()) {
      const size_t end = lines.find('\n');
      const auto domain = parse_sample(lines.substr(0, end), journal_file(shard)).domain;
      if (std::find(domains.begin(), domains.end(), domain) == domains.end()) domains.push_back(domain);
      lines.remove_prefix(end + 1);
    }
  }
  manifest_.domains = std::move(domains);
  file.commit();
}

void TraceWriter::remove_journals() const {
  for (size_t shard = 0; shard < plan_.size(); ++shard) {
    std::filesystem::remove(folder_ / journal_file(static_cast<int64_t>(shard)));
  }
}

Manifest TraceWriter::finish() {
  if (manifest_.complete) {  // resumed as such
    lock_.reset();
    return manifest_;
  }
  // Adaptive sampling may stop inside a shard.
  if (open_.size() == 1 && open_.begin()->second.added > 0) commit(open_.begin()->first);
  flush();
  const auto whole = std::find(done_.begin(), done_.end(), false) - done_.begin();
  if (whole == 0) throw Error("{}: no samples were recorded", folder_.string());
  if (!open_.empty() || std::find(done_.begin() + whole, done_.end(), true) != done_.end()) {
    throw Error("{}: samples of {} were not recorded", folder_.string(), shard_file(whole));
  }
  collect_samples(whole);
  if (const auto& curve = manifest_.recording.stability; !curve.empty()) {
    write_file(folder_ / kStabilityFile, stability_csv(curve));
  }
  manifest_.complete = true;
  write_file(folder_ / kManifestFile, manifest_text(manifest_));
  remove_journals();
  lock_.reset();
  return manifest_;
}

}  // namespace committee::trace
