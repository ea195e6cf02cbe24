#include "trace/journal.h"

#include <xxhash.h>

#include <algorithm>
#include <memory>
#include <new>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "trace/folder.h"

namespace committee::trace {

void write_journal(const std::filesystem::path& folder, int64_t shard, const ShardJournal& journal) {
  const nlohmann::ordered_json head = {
      {"rows", journal.shard.rows},         {"bytes", journal.shard.bytes},
      {"checksum", journal.shard.checksum}, {"first_sample", journal.first_sample},
      {"samples", journal.shard.samples},
  };
  write_file(folder / journal_file(shard), head.dump() + "\n" + journal.lines);
}

std::optional<ShardJournal> read_journal(const std::filesystem::path& folder, int64_t shard,
                                         const ShardRange& range) {
  const auto path = folder / journal_file(shard);
  if (!std::filesystem::exists(path)) return std::nullopt;
  const std::string file = path.string();
  const MappedFile mapped(path);
  const auto text = mapped.text();
  const size_t end = std::min(text.find('\n'), text.size());
  const Json head = parse_json(text.substr(0, end), file);
  ShardJournal journal;
  journal.shard = {.file = shard_file(shard),
                   .rows = required_field<int64_t>(head, "rows", file),
                   .bytes = required_field<int64_t>(head, "bytes", file),
                   .checksum = required_field<std::string>(head, "checksum", file),
                   .samples = required_field<int64_t>(head, "samples", file)};
  journal.first_sample = required_field<int64_t>(head, "first_sample", file);
  if (journal.first_sample != range.first_sample || journal.shard.samples < 1 ||
      journal.shard.samples > range.samples || journal.shard.rows > range.rows) {
    throw Error(
        "{}: holds {} rows of {} samples from {} on, this run's shard at most {} of {} from {} on: the data "
        "changed",
        file, journal.shard.rows, journal.shard.samples, journal.first_sample, range.rows, range.samples,
        range.first_sample);
  }
  journal.lines = text.substr(std::min(end + 1, text.size()));
  if (std::count(journal.lines.begin(), journal.lines.end(), '\n') != journal.shard.samples) {
    throw Error("{}: must have a line for each of its {} samples", file, journal.shard.samples);
  }
  return journal;
}

bool is_intact(const std::filesystem::path& folder, const ShardInfo& info) {
  std::error_code problem;
  const auto size = std::filesystem::file_size(folder / info.file, problem);
  return !problem && size == static_cast<uintmax_t>(info.bytes) &&
         file_checksum(folder / info.file) == info.checksum;
}

std::string checksum_of(std::string_view bytes) {
  return fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size()));
}

std::string checksum_of(const MappedFile& file) {
  constexpr size_t kStep = size_t{16} << 20;
  const auto free = [](XXH3_state_t* state) { XXH3_freeState(state); };
  const std::unique_ptr<XXH3_state_t, decltype(free)> state(XXH3_createState(), free);
  if (!state) throw std::bad_alloc();
  XXH3_64bits_reset(state.get());
  for (size_t at = 0; at < file.bytes().size(); at += kStep) {
    const auto part = file.bytes().subspan(at, std::min(kStep, file.bytes().size() - at));
    XXH3_64bits_update(state.get(), part.data(), part.size());
    file.dont_need(at, part.size());
  }
  return fmt::format("{:016x}", XXH3_64bits_digest(state.get()));
}

std::string file_checksum(const std::filesystem::path& path) { return checksum_of(MappedFile(path)); }

}  // namespace committee::trace
