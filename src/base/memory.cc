#include "base/memory.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

namespace committee {
namespace {

namespace fs = std::filesystem;

// The lowest limit of a group below `root` and of those that hold it; not all groups need be visible here.
size_t lowest_limit(const fs::path& root, fs::path group, const char* file) {
  size_t lowest = std::numeric_limits<size_t>::max();
  for (;; group = group.parent_path()) {
    size_t limit = 0;
    if (std::ifstream(root / group.relative_path() / file) >> limit) lowest = std::min(lowest, limit);
    if (group.relative_path().empty()) return lowest;
  }
}

// Of the cgroups of this process, in either version of the kernel's interface ("ID:CONTROLLERS:GROUP").
size_t cgroup_limit() {
  size_t lowest = lowest_limit("/sys/fs/cgroup", "/", "memory.max");
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1),
                      group = line.substr(second + 1);
    if (controllers.empty()) {
      lowest = std::min(lowest, lowest_limit("/sys/fs/cgroup", group, "memory.max"));
    } else if (controllers.find("memory") != std::string::npos) {
      lowest = std::min(lowest, lowest_limit("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes"));
    }
  }
  return lowest;
}

}  // namespace

size_t available_memory() {
  struct sysinfo info = {};
  sysinfo(&info);
  size_t available = info.totalram * info.mem_unit;
  std::ifstream meminfo("/proc/meminfo");
  for (std::string key; meminfo >> key;) {
    if (key != "MemAvailable:") continue;
    size_t kilobytes = 0;
    if (meminfo >> kilobytes) available = kilobytes * 1024;
    break;
  }
  return std::min(available, cgroup_limit()) / 10 * 9;
}

}  // namespace committee
