#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/mapped_file.h"

namespace committee::trace {

// Shards on their way from the folder of one unfinished trace to another one's, where machines share no file
// system. Throw Error naming the file.

// A whole shard's two files as they are.
class WholeShard {
 public:
  WholeShard(const std::filesystem::path& folder, int64_t shard);
  std::string_view journal() const;
  std::string_view records() const;

 private:
  MappedFile journal_, records_;
};

void remove_shard(const std::filesystem::path& folder, int64_t shard);

// Puts a shard's files into `folder`, the journal last, so that a kill in between leaves none that looks
// whole.
void adopt_shard(const std::filesystem::path& folder, int64_t shard, std::string_view journal,
                 std::string_view records);

}  // namespace committee::trace
