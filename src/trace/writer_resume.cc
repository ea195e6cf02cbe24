#include <algorithm>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "trace/journal.h"
#include "trace/manifest_json.h"
#include "trace/writer.h"

namespace committee::trace {

std::unique_ptr<TraceWriter> TraceWriter::resume(const std::filesystem::path& folder, Manifest manifest,
                                                 std::vector<int32_t> max_rows, const ShardLimits& limits) {
  std::unique_ptr<TraceWriter> writer(new TraceWriter(folder, std::move(manifest), std::move(max_rows),
                                                      limits, std::make_unique<FolderLock>(folder)));
  const auto path = folder / kManifestFile;
  if (!std::filesystem::exists(path)) {
    if (has_foreign_files(folder))
      throw Error("{}: holds other files and no trace to resume", folder.string());
    remove_trace_files(folder);
    writer->start();
    return writer;
  }
  const Manifest begun = parse_manifest(read_json(path), path.string());
  if (const auto what = difference(begun, writer->manifest_); !what.empty()) {
    throw Error("{}: cannot resume: {}", path.string(), what);
  }
  if (begun.complete) {
    writer->adopt_complete(begun);
  } else {
    writer->adopt_whole_shards();
  }
  return writer;
}

void TraceWriter::adopt_whole_shards() {
  for (size_t shard = 0; shard < plan_.size(); ++shard) {
    const auto journal = read_journal(folder_, static_cast<int64_t>(shard), plan_[shard]);
    // A shard that adaptive sampling cut short is whole only if the run ends there again: recorded anew.
    done_[shard] =
        journal && journal->shard.samples == plan_[shard].samples && is_intact(folder_, journal->shard);
  }
}

void TraceWriter::adopt_complete(const Manifest& begun) {
  const std::string file = (folder_ / kManifestFile).string();
  bool intact = true;
  for (size_t shard = 0; shard < begun.shards.size(); ++shard) {
    const auto& info = begun.shards[shard];
    const bool last = shard + 1 == begun.shards.size();
    if (shard >= plan_.size() || info.samples > plan_[shard].samples ||
        (!last && info.samples < plan_[shard].samples)) {
      throw Error("{}: cannot resume: the data changed: {} has {} samples", file, info.file, info.samples);
    }
    done_[shard] = is_intact(folder_, info);
    intact = intact && done_[shard];
  }
  if (intact) {
    manifest_ = begun;
    remove_journals();
    return;
  }
  reopen(begun);
}

// Turns a complete trace with damaged shards into an unfinished one of the others.
void TraceWriter::reopen(const Manifest& begun) {
  const MappedFile file(folder_ / kSamplesFile);
  std::string_view text = file.text();
  for (size_t shard = 0; shard < begun.shards.size(); ++shard) {
    const auto& info = begun.shards[shard];
    size_t size = 0;
    for (int64_t line = 0; line < info.samples; ++line) {
      const size_t end = text.find('\n', size);
      if (end == std::string_view::npos) throw Error("{}: has too few lines", file.path().string());
      size = end + 1;
    }
    done_[shard] = done_[shard] && info.samples == plan_[shard].samples;
    if (done_[shard]) {
      write_journal(folder_, static_cast<int64_t>(shard),
                    {info, plan_[shard].first_sample, std::string(text.substr(0, size))});
    }
    text.remove_prefix(size);
  }
  start();
}

}  // namespace committee::trace
