#include "base/atomic_file.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "trace/journal.h"
#include "trace/shared_shards.h"
#include "trace/writer.h"

namespace committee::trace {

void TraceWriter::share(const std::string& token) { lock_->share(token); }

std::unique_ptr<TraceWriter> TraceWriter::join(const std::filesystem::path& folder, Manifest manifest,
                                               std::vector<int32_t> max_rows, const std::string& token,
                                               const ShardLimits& limits) {
  auto lock = FolderLock::join(folder, token);
  if (!lock) return nullptr;
  return std::unique_ptr<TraceWriter>(
      new TraceWriter(folder, std::move(manifest), std::move(max_rows), limits, std::move(lock)));
}

void TraceWriter::record_only(const std::vector<bool>& shards) {
  for (size_t shard = 0; shard < done_.size(); ++shard) done_[shard] = done_[shard] || !shards[shard];
}

WholeShard::WholeShard(const std::filesystem::path& folder, int64_t shard)
    : journal_(folder / journal_file(shard)), records_(folder / shard_file(shard)) {}

std::string_view WholeShard::journal() const { return journal_.text(); }
std::string_view WholeShard::records() const { return records_.text(); }

void remove_shard(const std::filesystem::path& folder, int64_t shard) {
  std::filesystem::remove(folder / journal_file(shard));
  std::filesystem::remove(folder / shard_file(shard));
}

void adopt_shard(const std::filesystem::path& folder, int64_t shard, std::string_view journal,
                 std::string_view records) {
  write_file(folder / shard_file(shard), records);
  write_file(folder / journal_file(shard), journal);
}

}  // namespace committee::trace
