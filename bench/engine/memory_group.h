#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace committee::bench {

// What a program took that ran to its end.
struct Used {
  double seconds = 0;
  size_t read = 0;      // bytes, from disks
  size_t resident = 0;  // bytes at most, pages of mapped files included
  size_t charged = 0;   // bytes at most in the group, the cache of files included; 0 without a group
};

// Runs a program, its output thrown away, in a memory cgroup of its own that kills it above `limit` bytes (0:
// in none). Throws Error where it fails, or where there is no cgroup to be had (it needs root).
Used run_limited(const std::vector<std::string>& command, size_t limit);

// Has the kernel forget a file's pages.
void drop_cache(const std::filesystem::path& path);

}  // namespace committee::bench
