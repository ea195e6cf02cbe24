#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/mapped_file.h"
#include "trace/manifest.h"
#include "trace/shard_plan.h"

namespace committee::trace {

// What is known of a whole shard while the trace is not complete, kept in a file beside it so that shards can
// be finished in any order and by several processes: the shard, its first sample and its lines of
// samples.jsonl.
struct ShardJournal {
  ShardInfo shard;
  int64_t first_sample = 0;
  std::string lines;  // each with its line break
};

// Atomic. Written after the shard itself: a shard without a journal does not count as whole.
void write_journal(const std::filesystem::path& folder, int64_t shard, const ShardJournal& journal);

// Nothing where the file does not exist. Throws Error where it is malformed or does not fit `range`: fewer
// samples than planned are allowed, other samples are not.
std::optional<ShardJournal> read_journal(const std::filesystem::path& folder, int64_t shard,
                                         const ShardRange& range);

// Whether the shard's file is there with the bytes that `info` names.
bool is_intact(const std::filesystem::path& folder, const ShardInfo& info);

// XXH3 (64 bits) as 16 hex digits, and of a whole file.
std::string checksum_of(std::string_view bytes);
std::string checksum_of(const MappedFile& file);  // page by page: none stays in memory
std::string file_checksum(const std::filesystem::path& path);

}  // namespace committee::trace
